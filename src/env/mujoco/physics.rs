//! One instance: its `mjData`, stepped in the control suite's order, copied, saved and restored.
#![expect(unsafe_code, reason = "MuJoCo is a C library; it steps and copies its data through pointers")]

use std::fmt;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use mujoco_rs::mujoco_c::{
    mj_RungeKutta, mj_checkAcc, mj_copyData, mj_deleteData, mj_forward, mj_forwardSkip, mj_getState, mj_makeData,
    mj_resetData, mj_setState, mj_stateSize, mj_step, mj_step1, mj_step2, mjData, mjModel, mjtDisableBit,
    mjtIntegrator, mjtStage, mjtState, mjtWarning,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::model::{Body, Geom, Loss, Model, Sensor, Site, array};
use crate::sim::Fault;

/// One instance of a model.
///
/// It can be copied and saved at any time between control steps; both go on to the same bits. What was read back has to
/// be given its model by [`Physics::revive`] before anything else.
pub struct Physics(State);

enum State {
    Live(Live),
    Saved(Saved),
}

/// What MuJoCo steps.
struct Live {
    model: Arc<Model>,
    /// What this instance changed in the model.
    own: Option<Box<OwnModel>>,
    data: NonNull<mjData>,
}

/// A saved instance.
#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    model: String,
    /// MuJoCo's full integration state: time, positions, velocities, activations, warm start, controls and so on.
    state: Vec<f64>,
    /// Sensor readings: those that depend on accelerations stem from the step before.
    sensors: Vec<f64>,
    changes: Vec<(Field, Vec<f64>)>,
}

/// An array of the model that an instance may change for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Field {
    /// Positions of geoms in their bodies, 3 a geom.
    GeomPos,
    /// Sizes of geoms, 3 a geom.
    GeomSize,
    /// Positions of sites in their bodies, 3 a site.
    SitePos,
    /// Sizes of sites, 3 a site.
    SiteSize,
    /// Damping of degrees of freedom, 1 each.
    DofDamping,
}

/// A model whose arrays are the shared ones, but for those in `arrays`.
struct OwnModel {
    raw: mjModel,
    arrays: Vec<(Field, Vec<f64>)>,
}

// SAFETY: an instance's data and own arrays are reached only through it, the shared model is never written to.
unsafe impl Send for Live {}
// SAFETY: through a shared reference nothing is written.
unsafe impl Sync for Live {}

/// All that decides how the simulation goes on.
const STATE: i32 = mjtState::mjSTATE_INTEGRATION as i32;

/// Warnings after which a state means nothing: MuJoCo has reset it to the model's default by itself.
const DIVERGED: [(mjtWarning, Fault); 4] = [
    (mjtWarning::mjWARN_BADQPOS, Fault::Position),
    (mjtWarning::mjWARN_BADQVEL, Fault::Velocity),
    (mjtWarning::mjWARN_BADQACC, Fault::Acceleration),
    (mjtWarning::mjWARN_BADCTRL, Fault::Control),
];

/// Warnings after which the simulation goes on.
const LOST: [(mjtWarning, Loss); Loss::ALL.len()] = [
    (mjtWarning::mjWARN_INERTIA, Loss::Inertia),
    (mjtWarning::mjWARN_CONTACTFULL, Loss::Contacts),
    (mjtWarning::mjWARN_CNSTRFULL, Loss::Constraints),
];

impl Physics {
    /// An instance in the model's default configuration.
    ///
    /// # Panics
    ///
    /// When memory runs out.
    pub fn new(model: &Arc<Model>) -> Self {
        // SAFETY: the model is valid; the result is checked.
        let data = NonNull::new(unsafe { mj_makeData(model.raw()) }).expect("there is memory for one more instance");
        Self(State::Live(Live { model: Arc::clone(model), own: None, data }))
    }

    /// Makes an instance that was read back go on, on the model of its task.
    ///
    /// # Errors
    ///
    /// A sentence when the state is not one of this model.
    pub fn revive(&mut self, model: &Arc<Model>) -> Result<(), String> {
        let State::Saved(saved) = &self.0 else { return Ok(()) };
        if saved.model != model.name() {
            return Err(format!("it is a state of the model {}, not of {}", saved.model, model.name()));
        }
        let mut fresh = Self::new(model);
        let live = fresh.live_mut();
        // SAFETY: the model is valid.
        let width = unsafe { mj_stateSize(live.model.raw(), STATE) } as usize;
        if (saved.state.len(), saved.sensors.len()) != (width, live.model.raw().nsensordata as usize) {
            return Err(format!("it has {} numbers, the model {} takes {width}", saved.state.len(), model.name()));
        }
        for (field, values) in &saved.changes {
            let whole = live.array_mut(*field);
            if whole.len() != values.len() {
                return Err(format!("its {field:?} has {} numbers, not {}", values.len(), whole.len()));
            }
            whole.copy_from_slice(values);
        }
        // SAFETY: the state is as wide as MuJoCo says, and the data belongs to the model.
        unsafe {
            mj_setState(live.raw(), live.data.as_ptr(), saved.state.as_ptr(), STATE);
            mj_step1(live.raw(), live.data.as_ptr());
        }
        live.sensors_mut().copy_from_slice(&saved.sensors);
        *self = fresh;
        Ok(())
    }

    /// The shared model.
    #[inline]
    pub fn model(&self) -> &Arc<Model> {
        &self.live().model
    }

    /// Back to the model's defaults (control, velocity and time zero), with everything computed that follows from them.
    pub fn reset(&mut self) {
        let live = self.live_mut();
        // SAFETY: the data belongs to the model.
        unsafe { mj_resetData(live.raw(), live.data.as_ptr()) };
        self.settle_state();
    }

    /// Computes everything that follows from the state, actuators off: what an initializer ends with.
    pub fn settle_state(&mut self) {
        let live = self.live_mut();
        let mut passive = live.raw().clone();
        passive.opt.disableflags |= mjtDisableBit::mjDSBL_ACTUATION as i32;
        // SAFETY: `passive` differs from the instance's model in an option only; no array is written to or freed.
        unsafe { mj_forward(&passive, live.data.as_ptr()) };
    }

    /// Computes everything that follows from state and controls, the forces of contacts among it.
    #[cfg(feature = "view")]
    pub(crate) fn solve(&mut self) {
        let live = self.live_mut();
        // SAFETY: the data belongs to the model.
        unsafe { mj_forward(live.raw(), live.data.as_ptr()) };
    }

    /// One control step of `steps` physics steps: afterwards what depends on position and velocity belongs to the new
    /// state, what depends on acceleration (touch, force) to the physics step before.
    #[inline]
    pub fn step(&mut self, steps: u32) {
        let live = self.live_mut();
        let (model, data) = (std::ptr::from_ref(live.raw()), live.data.as_ptr());
        // SAFETY: the data belongs to the model.
        unsafe {
            // What depends on position and velocity is at hand, so the first step starts with the actuators.
            if (*model).opt.integrator == mjtIntegrator::mjINT_RK4 as i32 {
                mj_forwardSkip(model, data, mjtStage::mjSTAGE_VEL as i32, 0);
                mj_checkAcc(model, data);
                mj_RungeKutta(model, data, 4);
            } else {
                mj_step2(model, data);
            }
            for _ in 1..steps {
                mj_step(model, data);
            }
            mj_step1(model, data);
        }
    }

    /// `steps` physics steps and nothing more: afterwards positions and velocities are those of the new state, and what
    /// follows from them (places of bodies, contacts) is what the last step computed on its way there.
    #[inline]
    pub fn advance(&mut self, steps: u32) {
        let live = self.live_mut();
        for _ in 0..steps {
            // SAFETY: the data belongs to the model.
            unsafe { mj_step(live.raw(), live.data.as_ptr()) };
        }
    }

    /// What made the simulation diverge since the last reset, if anything did. What it lost without diverging is told
    /// once a model on stderr.
    #[inline]
    pub fn divergence(&self) -> Option<Fault> {
        self.losses().for_each(|loss| self.model().warn_once(loss));
        DIVERGED.iter().find(|(kind, _)| self.warned_of(*kind)).map(|(_, fault)| *fault)
    }

    /// What MuJoCo has left out since the last reset.
    #[inline]
    pub(crate) fn losses(&self) -> impl Iterator<Item = Loss> {
        LOST.iter().filter(|(kind, _)| self.warned_of(*kind)).map(|(_, loss)| *loss)
    }

    #[inline]
    fn warned_of(&self, kind: mjtWarning) -> bool {
        self.data().warning[kind as usize].number > 0
    }

    /// Sets simulated time, s.
    pub fn set_time(&mut self, time: f64) {
        // SAFETY: the data is this instance's alone.
        unsafe { self.live_mut().data.as_mut() }.time = time;
    }

    /// Generalized positions.
    #[inline]
    pub fn qpos(&self) -> &[f64] {
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(self.data().qpos, self.raw_model().nq) }
    }

    /// Generalized positions, to change; [`Physics::settle_state`] makes the rest follow.
    pub fn qpos_mut(&mut self) -> &mut [f64] {
        let (start, count) = (self.data().qpos, self.raw_model().nq);
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(start, count) }
    }

    /// Generalized velocities.
    #[inline]
    pub fn qvel(&self) -> &[f64] {
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(self.data().qvel, self.raw_model().nv) }
    }

    /// Generalized velocities, to change.
    pub fn qvel_mut(&mut self) -> &mut [f64] {
        let (start, count) = (self.data().qvel, self.raw_model().nv);
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(start, count) }
    }

    /// Activations of actuators with dynamics.
    #[inline]
    pub fn act(&self) -> &[f64] {
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(self.data().act, self.raw_model().na) }
    }

    /// Activations, to change.
    pub fn act_mut(&mut self) -> &mut [f64] {
        let (start, count) = (self.data().act, self.raw_model().na);
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(start, count) }
    }

    /// The accelerations that the next solve starts from, to change.
    pub fn warmstart_mut(&mut self) -> &mut [f64] {
        let (start, count) = (self.data().qacc_warmstart, self.raw_model().nv);
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(start, count) }
    }

    /// Controls, in the actuators' own ranges.
    #[inline]
    pub fn ctrl(&self) -> &[f64] {
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(self.data().ctrl, self.raw_model().nu) }
    }

    /// Controls, to change.
    #[inline]
    pub fn ctrl_mut(&mut self) -> &mut [f64] {
        let (start, count) = (self.data().ctrl, self.raw_model().nu);
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(start, count) }
    }

    /// Sets the controls from actions in [-1, 1], which are mapped to each actuator's range.
    ///
    /// # Panics
    ///
    /// When there are fewer actions than actuators.
    #[inline]
    pub fn set_action(&mut self, action: &[f32]) {
        let live = self.live_mut();
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        let controls = unsafe { array_mut(live.data.as_ref().ctrl, live.model.raw().nu) };
        assert!(action.len() >= controls.len());
        for ((control, [low, high]), action) in controls.iter_mut().zip(live.model.control_ranges()).zip(action) {
            *control = (low + high) / 2.0 + f64::from(*action) * (high - low) / 2.0;
        }
    }

    /// All sensor readings.
    #[inline]
    pub fn sensors(&self) -> &[f64] {
        // SAFETY: MuJoCo's array has this length.
        unsafe { array(self.data().sensordata, self.raw_model().nsensordata) }
    }

    /// Readings of one sensor.
    #[inline]
    pub(crate) fn sensor(&self, sensor: Sensor) -> &[f64] {
        &self.sensors()[sensor.entries()]
    }

    /// Origin of a body's frame, in the world, m.
    #[inline]
    pub(crate) fn position(&self, body: Body) -> [f64; 3] {
        // SAFETY: MuJoCo's array has three entries a body.
        entry(unsafe { array(self.data().xpos, 3 * self.raw_model().nbody) }, body.index())
    }

    /// Center of mass of one body (without its children), in the world, m.
    #[inline]
    pub(crate) fn center_of_mass(&self, body: Body) -> [f64; 3] {
        // SAFETY: MuJoCo's array has three entries a body.
        entry(unsafe { array(self.data().xipos, 3 * self.raw_model().nbody) }, body.index())
    }

    /// Rotation of a body to the world, row by row.
    #[inline]
    pub(crate) fn rotation(&self, body: Body) -> [f64; 9] {
        // SAFETY: MuJoCo's array has nine entries a body.
        entry(unsafe { array(self.data().xmat, 9 * self.raw_model().nbody) }, body.index())
    }

    /// Center of a geom, in the world, m.
    #[inline]
    pub(crate) fn geom_position(&self, geom: Geom) -> [f64; 3] {
        // SAFETY: MuJoCo's array has three entries a geom.
        entry(unsafe { array(self.data().geom_xpos, 3 * self.raw_model().ngeom) }, geom.index())
    }

    /// Rotation of a geom to the world, row by row.
    #[inline]
    pub(crate) fn geom_rotation(&self, geom: Geom) -> [f64; 9] {
        // SAFETY: MuJoCo's array has nine entries a geom.
        entry(unsafe { array(self.data().geom_xmat, 9 * self.raw_model().ngeom) }, geom.index())
    }

    /// Position of a site, in the world, m.
    #[inline]
    pub(crate) fn site_position(&self, site: Site) -> [f64; 3] {
        // SAFETY: MuJoCo's array has three entries a site.
        entry(unsafe { array(self.data().site_xpos, 3 * self.raw_model().nsite) }, site.index())
    }

    /// Contacts found in the present state.
    #[inline]
    pub fn contacts(&self) -> usize {
        self.data().ncon.max(0) as usize
    }

    /// The values of `field` of one element (a geom's position, say) as this instance sees its model.
    pub(crate) fn field<const N: usize>(&self, field: Field, element: usize) -> [f64; N] {
        let live = self.live();
        let (start, count, width) = field.place(live.raw());
        assert_eq!(width, N, "{field:?} has {width} numbers an element");
        // SAFETY: the array has this length.
        entry(unsafe { array(start, count) }, element)
    }

    /// Changes `field` of one element for this instance alone. The model of the others stays as it is.
    ///
    /// # Panics
    ///
    /// When there is no such element, or it has another number of values.
    pub(crate) fn set_field(&mut self, field: Field, element: usize, values: &[f64]) {
        self.try_set_field(field, element, values).expect("the element was looked up in this model");
    }

    /// The same for an element that was read from a file.
    ///
    /// # Errors
    ///
    /// A sentence when there is no such element, or it has another number of values.
    pub(crate) fn try_set_field(&mut self, field: Field, element: usize, values: &[f64]) -> Result<(), String> {
        let live = self.live_mut();
        let (_, count, width) = field.place(live.raw());
        if width != values.len() || element >= count as usize / width {
            return Err(format!("{field:?} of element {element} has not {} numbers in this model", values.len()));
        }
        live.array_mut(field)[element * width..][..width].copy_from_slice(values);
        Ok(())
    }

    /// MuJoCo's structures: the model as this instance sees it, and its data.
    #[inline]
    pub(crate) fn raw(&self) -> (&mjModel, &mjData) {
        (self.raw_model(), self.data())
    }

    #[inline]
    fn raw_model(&self) -> &mjModel {
        self.live().raw()
    }

    #[inline]
    fn data(&self) -> &mjData {
        // SAFETY: the data lives as long as this instance.
        unsafe { self.live().data.as_ref() }
    }

    #[inline]
    fn live(&self) -> &Live {
        let State::Live(live) = &self.0 else {
            panic!("an instance that was read back is revived before its first use")
        };
        live
    }

    #[inline]
    fn live_mut(&mut self) -> &mut Live {
        let State::Live(live) = &mut self.0 else {
            panic!("an instance that was read back is revived before its first use")
        };
        live
    }
}

impl Live {
    #[inline]
    fn raw(&self) -> &mjModel {
        self.own.as_ref().map_or_else(|| self.model.raw(), |own| &own.raw)
    }

    fn sensors_mut(&mut self) -> &mut [f64] {
        // SAFETY: MuJoCo's array has this length, and it is this instance's alone.
        unsafe { array_mut(self.data.as_ref().sensordata, self.model.raw().nsensordata) }
    }

    /// The instance's own array of `field`.
    fn array_mut(&mut self, field: Field) -> &mut [f64] {
        let shared = self.model.raw();
        let own = self.own.get_or_insert_with(|| Box::new(OwnModel { raw: shared.clone(), arrays: Vec::new() }));
        own.array_mut(field)
    }
}

impl OwnModel {
    fn array_mut(&mut self, field: Field) -> &mut [f64] {
        let index = self.arrays.iter().position(|(known, _)| *known == field).unwrap_or_else(|| {
            let (start, count, _) = field.place(&self.raw);
            // SAFETY: the array has this length.
            let mut values = unsafe { array(start, count) }.to_vec();
            *field.pointer(&mut self.raw) = values.as_mut_ptr();
            self.arrays.push((field, values));
            self.arrays.len() - 1
        });
        &mut self.arrays[index].1
    }
}

impl Field {
    const ALL: [(&str, Self); 5] = [
        ("geom_pos", Self::GeomPos),
        ("geom_size", Self::GeomSize),
        ("site_pos", Self::SitePos),
        ("site_size", Self::SiteSize),
        ("dof_damping", Self::DofDamping),
    ];

    /// The field that MuJoCo calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Start and length of the array, and how many numbers an element has.
    fn place(self, model: &mjModel) -> (*const f64, i64, usize) {
        match self {
            Self::GeomPos => (model.geom_pos, 3 * model.ngeom, 3),
            Self::GeomSize => (model.geom_size, 3 * model.ngeom, 3),
            Self::SitePos => (model.site_pos, 3 * model.nsite, 3),
            Self::SiteSize => (model.site_size, 3 * model.nsite, 3),
            Self::DofDamping => (model.dof_damping, model.nv, 1),
        }
    }

    fn pointer(self, model: &mut mjModel) -> &mut *mut f64 {
        match self {
            Self::GeomPos => &mut model.geom_pos,
            Self::GeomSize => &mut model.geom_size,
            Self::SitePos => &mut model.site_pos,
            Self::SiteSize => &mut model.site_size,
            Self::DofDamping => &mut model.dof_damping,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // SAFETY: made by MuJoCo, deleted once.
        unsafe { mj_deleteData(self.data.as_ptr()) };
    }
}

impl Clone for Live {
    fn clone(&self) -> Self {
        let own = self.own.as_ref().map(|own| {
            let mut copy = Box::new(OwnModel { raw: self.model.raw().clone(), arrays: Vec::new() });
            for (field, values) in &own.arrays {
                copy.array_mut(*field).copy_from_slice(values);
            }
            copy
        });
        // SAFETY: the data belongs to the model; without a target MuJoCo makes one.
        let data = unsafe { mj_copyData(null_mut(), self.model.raw(), self.data.as_ptr()) };
        let data = NonNull::new(data).expect("there is memory for one more instance");
        Self { model: Arc::clone(&self.model), own, data }
    }
}

impl Clone for Physics {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            State::Live(live) => State::Live(live.clone()),
            State::Saved(saved) => State::Saved(saved.clone()),
        })
    }
}

impl fmt::Debug for Physics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Live(live) => write!(formatter, "Physics of {}", live.model.name()),
            State::Saved(saved) => write!(formatter, "saved Physics of {}", saved.model),
        }
    }
}

impl Serialize for Physics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            State::Saved(saved) => saved.serialize(serializer),
            State::Live(live) => {
                let raw = live.model.raw();
                // SAFETY: the model is valid.
                let mut state = vec![0.0; unsafe { mj_stateSize(raw, STATE) } as usize];
                // SAFETY: the state is as wide as MuJoCo says.
                unsafe { mj_getState(raw, live.data.as_ptr(), state.as_mut_ptr(), STATE) };
                let changes = live.own.iter().flat_map(|own| &own.arrays);
                Saved {
                    model: live.model.name().to_owned(),
                    state,
                    sensors: self.sensors().to_vec(),
                    changes: changes.map(|(field, values)| (*field, values.to_vec())).collect(),
                }
                .serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Physics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Saved::deserialize(deserializer).map(|saved| Self(State::Saved(saved)))
    }
}

/// Numbers of one element.
#[inline]
fn entry<const N: usize>(values: &[f64], element: usize) -> [f64; N] {
    values.as_chunks().0[element]
}

/// `count` entries from `start`, to change.
///
/// # Safety
///
/// They must be there, and nobody else's, for as long as the result is used.
unsafe fn array_mut<'a>(start: *mut f64, count: i64) -> &'a mut [f64] {
    if count <= 0 || start.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(start, count as usize) }
}
