//! Models: found by name, loaded once, shared by every instance and never changed.
#![expect(unsafe_code, reason = "MuJoCo is a C library; its arrays are read through pointers")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use mujoco_rs::mujoco_c::{mj_deleteSpec, mj_name2id, mj_parseXML, mjModel, mjtJoint, mjtObj, mju_user_warning};
use mujoco_rs::wrappers::mj_auxiliary::MjVfs;
use mujoco_rs::wrappers::mj_editing::{MjSpec, SpecObject};
use mujoco_rs::wrappers::mj_model::MjModel;

/// Models of our own, by the name that tasks give: (name, MJCF). They may include each other and
/// `./common/*.xml` of the control suite.
const OWN: &[(&str, &str)] = &[
    ("look.xml", include_str!("../../../assets/mujoco/look.xml")),
    ("walker-figure.xml", include_str!("../../../assets/mujoco/walker-figure.xml")),
    ("walker-plain.xml", include_str!("../../../assets/mujoco/walker-plain.xml")),
    ("walker-incline.xml", include_str!("../../../assets/mujoco/walker-incline.xml")),
    ("cheetah-plain.xml", include_str!("../../../assets/mujoco/cheetah-plain.xml")),
    ("giraffe.xml", include_str!("../../../assets/mujoco/giraffe.xml")),
    ("jumper.xml", include_str!("../../../assets/mujoco/jumper.xml")),
    ("spinner.xml", include_str!("../../../assets/mujoco/spinner.xml")),
    ("spinner-four.xml", include_str!("../../../assets/mujoco/spinner-four.xml")),
    ("reacher-three.xml", include_str!("../../../assets/mujoco/reacher-three.xml")),
    ("cartpole-long.xml", include_str!("../../../assets/mujoco/cartpole-long.xml")),
    ("cartpole-two-poles.xml", include_str!("../../../assets/mujoco/cartpole-two-poles.xml")),
];

/// Where `./x setup` unpacks the stock models, unless the variable of that name says otherwise at run time.
const MODELS_VARIABLE: &str = "TERRARIUM_MODELS";

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file of a stock model is not there.
    #[error("the MuJoCo models are not set up ({} is missing): run ./x setup", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// MuJoCo refuses the model.
    #[error("MuJoCo cannot load the model {model}: {problem}")]
    Refused {
        /// The model.
        model: String,
        /// What MuJoCo says.
        problem: String,
    },
    /// The model lacks an element that a task needs.
    #[error("the model {model} has no {kind} called {name:?}")]
    NoSuch {
        /// The model.
        model: String,
        /// What is looked for, such as `body`.
        kind: &'static str,
        /// The name that is not there.
        name: String,
    },
}

impl ModelError {
    /// What MuJoCo says takes several lines, errors take one.
    fn refused(model: &str, problem: &dyn fmt::Display) -> Self {
        let text = problem.to_string();
        let lines: Vec<&str> = text.lines().map(|line| line.trim().trim_end_matches(':')).collect();
        Self::Refused { model: model.to_owned(), problem: lines.join("; ") }
    }
}

/// A loaded model, shared by all instances of all tasks that use it.
pub struct Model {
    name: String,
    raw: MjModel,
    /// Whether [`Model::warn_once`] has spoken.
    warned: [AtomicBool; Loss::ALL.len()],
}

/// What MuJoCo may leave out of a step without giving up on the state: the simulation goes on, but not as the model says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A matrix of inertia could not be inverted as it is.
    Inertia,
    /// Contacts were dropped.
    Contacts,
    /// Constraints were dropped.
    Constraints,
}

impl Loss {
    /// All kinds, in the order of the enum.
    pub(crate) const ALL: [Self; 3] = [Self::Inertia, Self::Contacts, Self::Constraints];
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Inertia => "MuJoCo met an inertia matrix that is nearly singular: accelerations are not exact",
            Self::Contacts => {
                "MuJoCo dropped contacts that its memory could not hold: bodies may pass through each other"
            }
            Self::Constraints => {
                "MuJoCo dropped constraints that its memory could not hold: contacts and limits may give way"
            }
        })
    }
}

/// A model before it is compiled.
pub struct Draft(MjSpec);

impl Draft {
    /// All of it, to add to.
    pub(crate) fn spec_mut(&mut self) -> &mut MjSpec {
        &mut self.0
    }

    /// Takes the element of that kind and name out, with what belongs to it and what refers to it.
    ///
    /// # Errors
    ///
    /// A sentence when there is none.
    pub(crate) fn remove(&mut self, kind: Removable, name: &str) -> Result<(), String> {
        let missing = || format!("it has no {kind:?} called {name:?}");
        // SAFETY: no other reference into the draft exists, and none is kept.
        let removed = unsafe {
            match kind {
                Removable::Body => self.0.body_mut(name).ok_or_else(missing)?.delete(),
                Removable::Geom => self.0.geom_mut(name).ok_or_else(missing)?.delete(),
                Removable::Sensor => self.0.sensor_mut(name).ok_or_else(missing)?.delete(),
                Removable::Site => self.0.site_mut(name).ok_or_else(missing)?.delete(),
            }
        };
        removed.map_err(|problem| problem.to_string())
    }

    /// Gives a geom another size.
    ///
    /// # Errors
    ///
    /// A sentence when there is none of that name.
    pub(crate) fn set_geom_size(&mut self, name: &str, size: [f64; 3]) -> Result<(), String> {
        let geom = self.0.geom_mut(name).ok_or_else(|| format!("it has no geom called {name:?}"))?;
        *geom.size_mut() = size;
        Ok(())
    }

    /// Makes a site invisible.
    ///
    /// # Errors
    ///
    /// A sentence when there is none of that name.
    pub(crate) fn hide_site(&mut self, name: &str) -> Result<(), String> {
        let site = self.0.site_mut(name).ok_or_else(|| format!("it has no site called {name:?}"))?;
        site.rgba_mut()[3] = 0.0;
        Ok(())
    }
}

/// What a [`Draft`] can lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removable {
    Body,
    Geom,
    Sensor,
    Site,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $id(usize);

        impl $id {
            /// Its number in the model.
            #[inline]
            pub(crate) fn index(self) -> usize {
                self.0
            }
        }
    )*};
}

ids! {
    /// A body of a model.
    Body,
    /// A geom of a model.
    Geom,
    /// A site of a model.
    Site
}

/// A joint of a model, and where its values stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Joint {
    /// What motion it allows.
    pub(crate) kind: JointKind,
    /// Index of its first position.
    pub(crate) position: usize,
    /// Index of its first velocity.
    pub(crate) velocity: usize,
    /// Its range, if it is limited: m or rad.
    pub(crate) range: Option<(f64, f64)>,
}

/// What motion a joint allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JointKind {
    /// Six degrees of freedom: position and quaternion.
    Free,
    /// Rotation: quaternion.
    Ball,
    /// Translation along an axis.
    Slide,
    /// Rotation about an axis.
    Hinge,
}

/// A sensor of a model: where its readings stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sensor {
    start: usize,
    width: usize,
}

impl Sensor {
    /// Its entries in the sensor data.
    #[inline]
    pub(crate) fn entries(self) -> std::ops::Range<usize> {
        self.start..self.start + self.width
    }
}

impl Model {
    /// The model called `name`: one of our own, or a stock model by its path below the models folder, such as
    /// `dm_control/walker.xml`. A model in use is loaded once.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when it is not there or MuJoCo refuses it.
    pub fn load(name: &str) -> Result<Arc<Self>, ModelError> {
        Self::load_edited(name, "", |_| Ok(()))
    }

    /// The same with changes made before it is compiled. `variant` names the changes: equal names must mean equal changes.
    ///
    /// # Errors
    ///
    /// As [`Model::load`], and what `edit` returns: the sentence says what is wrong.
    pub fn load_edited(
        name: &str,
        variant: &str,
        edit: impl FnOnce(&mut Draft) -> Result<(), String>,
    ) -> Result<Arc<Self>, ModelError> {
        static LOADED: Mutex<BTreeMap<String, Weak<Model>>> = Mutex::new(BTreeMap::new());
        let key = if variant.is_empty() { name.to_owned() } else { format!("{name} ({variant})") };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.get(&key).and_then(Weak::upgrade) {
            return Ok(model);
        }
        silence_warnings();
        let mut draft = Draft(parse(name)?);
        edit(&mut draft).map_err(|problem| ModelError::refused(&key, &problem))?;
        let model = Arc::new(Self::compile(&key, &mut draft.0)?);
        loaded.insert(key, Arc::downgrade(&model));
        Ok(model)
    }

    /// The model in `text`, an MJCF document, for tests and tools. Not kept for others.
    ///
    /// # Errors
    ///
    /// [`ModelError::Refused`] when MuJoCo cannot load it.
    pub fn from_xml(name: &str, text: &str) -> Result<Arc<Self>, ModelError> {
        silence_warnings();
        let mut spec = MjSpec::from_xml_string(text).map_err(|problem| ModelError::refused(name, &problem))?;
        Ok(Arc::new(Self::compile(name, &mut spec)?))
    }

    fn compile(name: &str, spec: &mut MjSpec) -> Result<Self, ModelError> {
        let raw = spec.compile().map_err(|problem| ModelError::refused(name, &problem))?;
        Ok(Self { name: name.to_owned(), raw, warned: Default::default() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says on stderr what MuJoCo leaves out in instances of this model: each kind of loss once, whoever meets it first.
    #[cold]
    pub(crate) fn warn_once(&self, loss: Loss) {
        if !self.warned[loss as usize].swap(true, Ordering::Relaxed) {
            eprintln!("warning: in tasks on the model {} {loss}", self.name);
        }
    }

    /// Length of a physics step, s.
    pub fn timestep(&self) -> f64 {
        self.raw().opt.timestep
    }

    /// The model with checked access to its arrays.
    #[cfg(feature = "view")]
    pub(crate) fn wrapped(&self) -> &MjModel {
        &self.raw
    }

    /// MuJoCo's own structure.
    pub(crate) fn raw(&self) -> &mjModel {
        self.raw.ffi()
    }

    /// The body called `name`.
    pub(crate) fn body(&self, name: &str) -> Result<Body, ModelError> {
        self.find(mjtObj::mjOBJ_BODY, "body", name).map(Body)
    }

    /// The geom called `name`.
    pub(crate) fn geom(&self, name: &str) -> Result<Geom, ModelError> {
        self.find(mjtObj::mjOBJ_GEOM, "geom", name).map(Geom)
    }

    /// The site called `name`.
    pub(crate) fn site(&self, name: &str) -> Result<Site, ModelError> {
        self.find(mjtObj::mjOBJ_SITE, "site", name).map(Site)
    }

    /// The joint called `name`.
    pub(crate) fn joint(&self, name: &str) -> Result<Joint, ModelError> {
        Ok(self.joint_at(self.find(mjtObj::mjOBJ_JOINT, "joint", name)?))
    }

    /// The sensor called `name`.
    pub(crate) fn sensor(&self, name: &str) -> Result<Sensor, ModelError> {
        let index = self.find(mjtObj::mjOBJ_SENSOR, "sensor", name)?;
        let raw = self.raw();
        // SAFETY: the arrays have one entry a sensor.
        let (starts, widths) = unsafe { (array(raw.sensor_adr, raw.nsensor), array(raw.sensor_dim, raw.nsensor)) };
        Ok(Sensor { start: starts[index] as usize, width: widths[index] as usize })
    }

    /// Every joint, in order.
    pub(crate) fn joints(&self) -> impl Iterator<Item = Joint> {
        (0..self.raw().njnt as usize).map(|index| self.joint_at(index))
    }

    /// Size of a geom as the model has it: radius, half lengths, by its shape, m.
    pub(crate) fn geom_size(&self, geom: Geom) -> [f64; 3] {
        // SAFETY: the array has three entries a geom.
        unsafe { array(self.raw().geom_size, 3 * self.raw().ngeom) }.as_chunks().0[geom.0]
    }

    /// Control range of every actuator.
    pub(crate) fn control_ranges(&self) -> &[[f64; 2]] {
        // SAFETY: the array has two entries an actuator.
        unsafe { array(self.raw().actuator_ctrlrange, 2 * self.raw().nu) }.as_chunks().0
    }

    fn joint_at(&self, index: usize) -> Joint {
        let raw = self.raw();
        // SAFETY: the arrays have one entry a joint, the ranges two.
        let (kinds, limited, positions, velocities, ranges) = unsafe {
            (
                array(raw.jnt_type, raw.njnt),
                array(raw.jnt_limited, raw.njnt),
                array(raw.jnt_qposadr, raw.njnt),
                array(raw.jnt_dofadr, raw.njnt),
                array(raw.jnt_range, 2 * raw.njnt).as_chunks::<2>().0,
            )
        };
        let kind = match kinds[index] as u32 {
            kind if kind == mjtJoint::mjJNT_FREE as u32 => JointKind::Free,
            kind if kind == mjtJoint::mjJNT_BALL as u32 => JointKind::Ball,
            kind if kind == mjtJoint::mjJNT_SLIDE as u32 => JointKind::Slide,
            _ => JointKind::Hinge,
        };
        Joint {
            kind,
            position: positions[index] as usize,
            velocity: velocities[index] as usize,
            range: limited[index].then_some((ranges[index][0], ranges[index][1])),
        }
    }

    fn find(&self, object: mjtObj, kind: &'static str, name: &str) -> Result<usize, ModelError> {
        let text = CString::new(name).unwrap_or_default();
        // SAFETY: the model and the text outlive the call.
        let index = unsafe { mj_name2id(self.raw(), object as i32, text.as_ptr()) };
        usize::try_from(index).map_err(|_| ModelError::NoSuch { model: self.name.clone(), kind, name: name.to_owned() })
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The folder of the stock models.
pub(crate) fn models_folder() -> PathBuf {
    std::env::var_os(MODELS_VARIABLE).map_or_else(|| PathBuf::from(env!("TERRARIUM_MODELS")), PathBuf::from)
}

fn parse(name: &str) -> Result<MjSpec, ModelError> {
    let folder = models_folder();
    let own = OWN.iter().any(|(own, _)| *own == name);
    let path = if own { folder.join("dm_control").join(name) } else { folder.join(name) };
    let needed = if own { folder.join("dm_control/common/materials.xml") } else { path.clone() };
    if !needed.is_file() {
        return Err(ModelError::Missing { path: needed });
    }
    let mut files = MjVfs::new();
    if own {
        // As if ours lay among the stock models, so that it can include what they share.
        for (own, text) in OWN {
            files
                .add_from_buffer(path.with_file_name(own), text.as_bytes())
                .map_err(|problem| ModelError::refused(name, &problem))?;
        }
    }
    MjSpec::from_xml_vfs(&path, &files)
        .map_err(|cut| ModelError::refused(name, &whole_problem(&path, &files).unwrap_or(cut.to_string())))
}

/// All that MuJoCo says about a file that it cannot read; the wrapper stops after 99 characters.
fn whole_problem(path: &Path, files: &MjVfs) -> Option<String> {
    let path = CString::new(path.to_str()?).ok()?;
    let mut problem: [c_char; 1000] = [0; 1000];
    // SAFETY: path, files and buffer outlive the call, which is told how long the buffer is; MuJoCo takes back what it
    // has made, and takes null.
    unsafe {
        let spec = mj_parseXML(path.as_ptr(), files.ffi(), problem.as_mut_ptr(), problem.len() as i32);
        mj_deleteSpec(spec);
    }
    // SAFETY: MuJoCo ends what it writes with a zero, and it was all zeros before.
    Some(unsafe { CStr::from_ptr(problem.as_ptr()) }.to_string_lossy().into_owned())
}

/// Keeps MuJoCo from writing warnings to the terminal and a file: each instance's own counts are read instead.
fn silence_warnings() {
    unsafe extern "C" fn ignore(_: *const std::ffi::c_char) {}
    static ONCE: Once = Once::new();
    // SAFETY: done once, before the first model of the process is loaded and so before anything can warn.
    ONCE.call_once(|| unsafe { mju_user_warning = Some(ignore) });
}

/// `count` entries from `start`.
///
/// # Safety
///
/// They must be there for as long as the result is used.
pub(super) unsafe fn array<'a, T>(start: *const T, count: i64) -> &'a [T] {
    if count <= 0 || start.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(start, count as usize) }
}
