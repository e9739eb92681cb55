//! MuJoCo's own renderer, without a window.
//!
//! A [`Studio`] holds a few OpenGL contexts, its seats. Whoever draws takes a free seat, so that instances are drawn in
//! parallel on any threads, and pictures do not depend on which. A seat keeps a stage (textures, meshes, shadow map,
//! buffers) for each model it has drawn: on the CPU about 35 MB for a model of the control suite and 80 MB for one with
//! MuJoCo's default shadows. All of it is freed with the last task that draws.
#![expect(unsafe_code, reason = "MuJoCo is a C library; it draws through pointers")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError, Weak};

use mujoco_rs::mujoco_c::{
    mj_deleteData, mj_makeData, mjData, mjr_defaultContext, mjr_freeContext, mjr_makeContext, mjr_readPixels,
    mjr_render, mjr_resizeOffscreen, mjr_setBuffer, mjrContext, mjrRect, mjtCamera, mjtCatBit, mjtFontScale,
    mjtFramebuffer, mjv_copyData, mjv_defaultCamera, mjv_defaultOption, mjv_defaultPerturb, mjv_defaultScene,
    mjv_freeScene, mjv_makeScene, mjv_updateScene, mjvCamera, mjvOption, mjvPerturb, mjvScene,
};

use super::gl::{Context, Gl, GlError};
use super::{Model, Physics};

/// From where a task is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum View {
    /// Through a camera of the model, by its number; it may follow a body.
    Fixed(usize),
    /// Around a point, in MuJoCo's terms.
    Free {
        /// The point, m.
        lookat: [f64; 3],
        /// Distance from it, m.
        distance: f64,
        /// Direction of view in the horizontal plane, degrees: 0 looks along +x, 90 along +y.
        azimuth_deg: f64,
        /// Direction of view against the horizontal plane, degrees: -90 looks down.
        elevation_deg: f64,
    },
}

/// How a task is pictured: from where, and how many pixels wide and high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shot {
    /// From where.
    pub(crate) view: View,
    /// Width and height, px.
    pub(crate) size: usize,
}

/// Everything that draws MuJoCo tasks in this process.
pub(crate) struct Studio {
    seats: Box<[Mutex<Seat>]>,
    /// Written to while a stage is set up, which makes MuJoCo look OpenGL's functions up anew for all threads.
    lookup: RwLock<()>,
}

/// Each seat needs memory, and what draws is shared in the end.
const MOST_SEATS: usize = 8;
/// Where the CPU draws, Mesa spreads one picture over about so many cores.
const CORES_OF_A_CPU_SEAT: usize = 4;

impl Studio {
    /// The studio of this process, made when the first task asks for it.
    ///
    /// # Errors
    ///
    /// [`GlError`] when nothing can be drawn here.
    pub(crate) fn open() -> Result<Arc<Self>, GlError> {
        static STUDIO: Mutex<Weak<Studio>> = Mutex::new(Weak::new());
        let mut known = STUDIO.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(studio) = known.upgrade() {
            return Ok(studio);
        }
        let gl = Gl::open()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if gl.is_software() { cores.div_ceil(CORES_OF_A_CPU_SEAT) } else { cores };
        let studio = Arc::new(Self::with_seats(gl, count.min(MOST_SEATS))?);
        *known = Arc::downgrade(&studio);
        Ok(studio)
    }

    fn with_seats(gl: &'static Gl, count: usize) -> Result<Self, GlError> {
        let seat = |_| Ok(Mutex::new(Seat { stages: Vec::new(), context: gl.context()? }));
        Ok(Self { seats: (0..count).map(seat).collect::<Result<_, GlError>>()?, lookup: RwLock::new(()) })
    }

    /// Draws an instance and hands the picture to `show`: `shot.size` rows of as many pixels, red, green, blue, from the
    /// top. The positions of the instance's bodies must belong to its present state.
    pub(crate) fn picture<T>(&self, physics: &Physics, shot: &Shot, show: impl FnOnce(&[u8]) -> T) -> T {
        let mut seat = self.seat(physics.model());
        let Seat { stages, context } = &mut *seat;
        let _current = context.make_current();
        let index = stages.iter().position(|stage| Arc::ptr_eq(&stage.model, physics.model())).unwrap_or_else(|| {
            let _alone = self.lookup.write().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: a context is current.
            stages.push(unsafe { Stage::new(physics.model()) });
            stages.len() - 1
        });
        let _shared = self.lookup.read().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the context in which the stage was made is current.
        show(unsafe { stages[index].draw(physics, shot) })
    }

    /// A free seat, if possible one that knows the model; where none is free the first to be.
    fn seat(&self, model: &Arc<Model>) -> MutexGuard<'_, Seat> {
        for any in [false, true] {
            for seat in &self.seats {
                let free = match seat.try_lock() {
                    Ok(free) => free,
                    Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => continue,
                };
                if any || free.stages.iter().any(|stage| Arc::ptr_eq(&stage.model, model)) {
                    return free;
                }
            }
        }
        self.seats[0].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One context, and the stages of the models that were drawn with it.
struct Seat {
    stages: Vec<Stage>,
    context: Context,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _current = self.context.make_current();
        for stage in &mut self.stages {
            // SAFETY: the context in which it was made is current; the stage is not used again.
            unsafe { mjr_freeContext(&raw mut *stage.context) };
        }
    }
}

/// What it takes to draw one model in one context.
struct Stage {
    model: Arc<Model>,
    /// A copy of what is drawn: MuJoCo writes to its data while it draws, and an instance is only looked at.
    data: *mut mjData,
    scene: Box<mjvScene>,
    context: Box<mjrContext>,
    option: mjvOption,
    perturb: mjvPerturb,
    /// Rows from the bottom, as OpenGL gives them, and from the top.
    upside_down: Vec<u8>,
    upright: Vec<u8>,
}

// SAFETY: its pointers lead to what it owns, except for names of OpenGL, which are used where its context is current.
unsafe impl Send for Stage {}

/// Room for drawn shapes, as in the control suite and Gymnasium.
const MOST_SHAPES: i32 = 1_000;

impl Stage {
    /// # Safety
    ///
    /// A context is current; the stage is drawn and freed where it is.
    unsafe fn new(model: &Arc<Model>) -> Self {
        // SAFETY: plain numbers and pointers, for which zero is a value; MuJoCo's own defaults follow.
        let (mut scene, mut context, mut option, mut perturb) = unsafe {
            let (scene, context) = (Box::<mjvScene>::new_zeroed().assume_init(), Box::<mjrContext>::new_zeroed());
            (scene, context.assume_init(), std::mem::zeroed(), std::mem::zeroed())
        };
        // SAFETY: all of it is valid and lives as long as the stage.
        let data = unsafe {
            mjv_defaultOption(&raw mut option);
            mjv_defaultPerturb(&raw mut perturb);
            mjv_defaultScene(&raw mut *scene);
            mjv_makeScene(model.raw(), &raw mut *scene, MOST_SHAPES);
            mjr_defaultContext(&raw mut *context);
            mjr_makeContext(model.raw(), &raw mut *context, mjtFontScale::mjFONTSCALE_100 as i32);
            mj_makeData(model.raw())
        };
        assert!(!data.is_null(), "there is memory for one more instance");
        Self {
            model: Arc::clone(model),
            data,
            scene,
            context,
            option,
            perturb,
            upside_down: Vec::new(),
            upright: Vec::new(),
        }
    }

    /// # Safety
    ///
    /// As for [`Stage::new`].
    unsafe fn draw(&mut self, physics: &Physics, shot: &Shot) -> &[u8] {
        let size = shot.size as i32;
        let bytes = 3 * shot.size * shot.size;
        self.upside_down.resize(bytes, 0);
        self.upright.resize(bytes, 0);
        let (model, data) = physics.raw();
        let mut camera = camera(shot.view);
        let viewport = mjrRect { left: 0, bottom: 0, width: size, height: size };
        let context = &raw mut *self.context;
        // SAFETY: the instance is one of the stage's model, whose sizes the copy and the scene have; the buffer holds
        // the picture.
        unsafe {
            mjv_copyData(self.data, model, data);
            mjv_updateScene(
                model,
                self.data,
                &raw const self.option,
                &raw const self.perturb,
                &raw mut camera,
                mjtCatBit::mjCAT_ALL as i32,
                &raw mut *self.scene,
            );
            if (self.context.offWidth, self.context.offHeight) != (size, size) {
                mjr_resizeOffscreen(size, size, context);
            }
            mjr_setBuffer(mjtFramebuffer::mjFB_OFFSCREEN as i32, context);
            mjr_render(viewport, &raw mut *self.scene, context);
            mjr_readPixels(self.upside_down.as_mut_ptr(), std::ptr::null_mut(), viewport, context);
        }
        let width = 3 * shot.size;
        for (row, source) in self.upright.chunks_exact_mut(width).zip(self.upside_down.chunks_exact(width).rev()) {
            row.copy_from_slice(source);
        }
        &self.upright
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SAFETY: made with the stage, freed once. What belongs to OpenGL was freed by its seat.
        unsafe {
            mjv_freeScene(&raw mut *self.scene);
            mj_deleteData(self.data);
        }
    }
}

fn camera(view: View) -> mjvCamera {
    // SAFETY: plain numbers, for which zero is a value; MuJoCo's defaults follow.
    let mut camera = unsafe {
        let mut camera: mjvCamera = std::mem::zeroed();
        mjv_defaultCamera(&raw mut camera);
        camera
    };
    match view {
        View::Fixed(index) => {
            camera.type_ = mjtCamera::mjCAMERA_FIXED as i32;
            camera.fixedcamid = index as i32;
        }
        View::Free { lookat, distance, azimuth_deg, elevation_deg } => {
            camera.type_ = mjtCamera::mjCAMERA_FREE as i32;
            (camera.lookat, camera.distance) = (lookat, distance);
            (camera.azimuth, camera.elevation) = (azimuth_deg, elevation_deg);
        }
    }
    camera
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use image::ImageFormat;

    use super::*;
    use crate::env::mujoco::physics::Field;

    const SIZE: usize = 224;

    /// Who draws here; `None`, said, where nobody does.
    fn gl() -> Option<&'static Gl> {
        Gl::open().map_err(|error| eprintln!("skipped: {error}")).ok()
    }

    fn instance(model: &str) -> Physics {
        let mut physics = Physics::new(&Model::load(model).expect("a stock model"));
        physics.reset();
        physics
    }

    fn picture(studio: &Studio, physics: &Physics, camera: usize) -> Vec<u8> {
        studio.picture(physics, &Shot { view: View::Fixed(camera), size: SIZE }, <[u8]>::to_vec)
    }

    fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    }

    /// Drawn by the Python package `mujoco` 3.17.0 with OSMesa, each model in its default configuration:
    /// `Renderer(model, 224, 224)`, `update_scene(data, camera=…)`, `render()`. Drivers may round otherwise.
    #[test]
    fn pictures_are_those_of_mujocos_own_package() {
        let Some(gl) = gl() else { return };
        let studio = Studio::with_seats(gl, 1).expect("a context");
        let cases: [(&str, usize, usize, &[u8]); 3] = [
            ("dm_control/cheetah.xml", 0, 1, include_bytes!("../../../tests/pictures/cheetah.png")),
            ("dm_control/quadruped.xml", 2, 1, include_bytes!("../../../tests/pictures/quadruped.png")),
            ("dm_control/reacher.xml", 0, 1, include_bytes!("../../../tests/pictures/reacher.png")),
        ];
        for (model, camera, other, png) in cases {
            let expected = image::load_from_memory_with_format(png, ImageFormat::Png).expect("a picture").to_rgb8();
            let physics = instance(model);
            let right = mean_difference(&picture(&studio, &physics, camera), &expected);
            assert!(right < 1.0, "{model}: {right} levels off");
            let wrong = mean_difference(&picture(&studio, &physics, other), &expected);
            assert!(wrong > 5.0, "{model}: another camera shows the same, {wrong} levels off");
        }
    }

    #[test]
    fn any_seat_on_any_thread_draws_the_same() {
        let Some(gl) = gl() else { return };
        let models = [("dm_control/walker.xml", 0), ("dm_control/acrobot.xml", 0), ("dm_control/finger.xml", 0)];
        let alone = Studio::with_seats(gl, 1).expect("a context");
        let expected: Vec<Vec<u8>> =
            models.iter().map(|(model, camera)| picture(&alone, &instance(model), *camera)).collect();
        drop(alone);
        let studio = Studio::with_seats(gl, 3).expect("three contexts");
        let drawn = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (studio, expected, drawn) = (&studio, &expected, &drawn);
                scope.spawn(move || {
                    for turn in 0..6 {
                        let index = (thread + turn) % models.len();
                        let (model, camera) = models[index];
                        let got = picture(studio, &instance(model), camera);
                        assert!(got == expected[index], "{model} on thread {thread}");
                        drawn.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(drawn.into_inner(), 24);
        let used = studio.seats.iter().filter(|seat| !seat.lock().expect("a sound seat").stages.is_empty()).count();
        assert!(used > 1, "one seat drew everything, so nothing was compared");
    }

    #[test]
    fn what_an_instance_changes_in_its_model_is_seen_and_only_there() {
        let Some(gl) = gl() else { return };
        let studio = Studio::with_seats(gl, 1).expect("a context");
        let (plain, mut changed) = (instance("dm_control/reacher.xml"), instance("dm_control/reacher.xml"));
        let target = plain.model().geom("target").expect("the reacher has a target");
        changed.set_field(Field::GeomPos, target.index(), &[0.1, 0.1, 0.01]);
        changed.settle_state();
        let before = picture(&studio, &plain, 0);
        assert!(mean_difference(&picture(&studio, &changed, 0), &before) > 0.1);
        assert!(picture(&studio, &plain, 0) == before);
    }

    #[test]
    fn a_free_camera_sees_what_it_looks_at() {
        let Some(gl) = gl() else { return };
        let studio = Studio::with_seats(gl, 1).expect("a context");
        let ball = Model::from_xml(
            "ball",
            "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='0.5' pos='2 3 1' rgba='1 0 0 1'/></worldbody></mujoco>",
        );
        let mut physics = Physics::new(&ball.expect("a well-formed model"));
        physics.reset();
        let view = |lookat| View::Free { lookat, distance: 4.0, azimuth_deg: 90.0, elevation_deg: -45.0 };
        let middle = |lookat| {
            let middle = 3 * (SIZE / 2 * SIZE + SIZE / 2);
            studio.picture(&physics, &Shot { view: view(lookat), size: SIZE }, |rgb| rgb[middle])
        };
        assert!(middle([2.0, 3.0, 1.0]) > 100, "the ball is red");
        assert!(middle([-2.0, 3.0, 1.0]) < 50, "there is nothing beside it");
    }
}
