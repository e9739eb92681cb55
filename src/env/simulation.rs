//! A whole simulation in one value: the world, its instances, and one call a control step.

use std::sync::Arc;

use bevy::prelude::*;

use super::{EnvCatalog, EnvError, HostedTask, HostedTasks, arcade, box2d, spawn_instance};
use crate::sim::{
    Action, Actor, Drive, Group, InstanceId, InstanceTask, ObservationMode, Seed, Sim, SimPlugin, Throughput,
    control_steps, start_episodes,
};
use crate::task::Task;

/// Adds every environment that this build hosts.
pub struct EnvironmentsPlugin;

impl Plugin for EnvironmentsPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((arcade::ArcadePlugin, box2d::Box2DPlugin));
        #[cfg(feature = "mujoco")]
        app.add_plugins(super::mujoco::MujocoPlugin);
    }
}

/// A task of this build, outside of any world.
///
/// # Errors
///
/// [`EnvError`] when it cannot be hosted.
pub fn host(task: &Task) -> Result<HostedTask, EnvError> {
    let mut app = App::empty();
    app.add_plugins(EnvironmentsPlugin);
    app.world().resource::<EnvCatalog>().host(task)
}

/// What a simulation holds.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// The tasks; an index into them is a task's number.
    pub tasks: Arc<[Task]>,
    /// The task's number of each instance.
    pub instances: Vec<u16>,
    /// Instances are dealt to this many groups in turn.
    pub groups: u8,
    /// Where every random number comes from.
    pub seed: Seed,
    /// State rows, pictures, or both.
    pub observation: ObservationMode,
    /// Threads that step instances; `None` takes one a core.
    pub threads: Option<usize>,
}

/// A world of instances that is stepped by hand: no window, no clock.
pub struct Simulation {
    app: App,
    instances: Vec<Entity>,
}

impl Simulation {
    /// Builds the world and starts every instance's first episode.
    ///
    /// # Errors
    ///
    /// [`EnvError`] when a task cannot be hosted, or not drawn though pictures are asked for.
    pub fn new(config: &SimulationConfig) -> Result<Self, EnvError> {
        let mut app = App::new();
        app.add_plugins((SimPlugin { observation: config.observation, threads: config.threads }, EnvironmentsPlugin));
        let instances = populate(app.world_mut(), config)?;
        app.finish();
        app.cleanup();
        start_episodes(app.world_mut());
        Ok(Self { app, instances })
    }

    /// The world.
    pub fn world(&self) -> &World {
        self.app.world()
    }

    /// The world, to change.
    pub fn world_mut(&mut self) -> &mut World {
        self.app.world_mut()
    }

    /// The instances, in order.
    pub fn instances(&self) -> &[Entity] {
        &self.instances
    }

    /// One control step of the instances of `group`, with the actions they hold.
    pub fn step(&mut self, group: Group) {
        self.drive(group, Drive::HELD);
    }

    /// `steps` control steps of the instances of `group`, with actions that `actor` gives. The same as to ask and step
    /// one by one, but on all threads and without coming back in between: each instance takes all of its steps while it
    /// is in the cache.
    pub fn play(&mut self, group: Group, steps: u32, actor: &dyn Actor) {
        self.drive(group, Drive { steps, actor: Some(actor) });
    }

    fn drive(&mut self, group: Group, drive: Drive<'_>) {
        let world = self.app.world_mut();
        world.resource_mut::<Sim>().active = group;
        control_steps(world, drive);
    }

    /// Gives an instance its next action; entries beyond the row count as they are, those beyond the task's as zero.
    ///
    /// # Panics
    ///
    /// When there is no such instance or the row is wider than an action.
    pub fn set_action(&mut self, instance: usize, action: &[f32]) {
        let entity = self.instances[instance];
        let mut target = self.app.world_mut().get_mut::<Action>(entity).expect("an instance has an action");
        target.0[..action.len()].copy_from_slice(action);
    }

    /// What an instance's component holds now.
    ///
    /// # Panics
    ///
    /// When instances have no such component.
    pub fn get<C: Component>(&self, instance: usize) -> &C {
        self.app.world().get::<C>(self.instances[instance]).expect("every instance has this component")
    }

    /// Steps and times since the start.
    pub fn throughput(&self) -> &Throughput {
        &self.app.world().resource::<Sim>().throughput
    }
}

/// Puts the instances of `config` into a world that has [`SimPlugin`] and [`EnvironmentsPlugin`], without starting them.
///
/// # Errors
///
/// [`EnvError`] when a task cannot be hosted, or not drawn though pictures are asked for.
pub fn populate(world: &mut World, config: &SimulationConfig) -> Result<Vec<Entity>, EnvError> {
    let mut sim = world.resource_mut::<Sim>();
    (sim.seed, sim.tasks) = (config.seed, Arc::clone(&config.tasks));
    let draws = sim.observation.draws();
    let catalog = world.resource::<EnvCatalog>();
    let hosted: Vec<HostedTask> = config.tasks.iter().map(|task| catalog.host(task)).collect::<Result<_, _>>()?;
    if draws {
        hosted.iter().zip(&*config.tasks).try_for_each(|(hosted, task)| hosted.check_drawing(task))?;
    }
    let seed = config.seed;
    let instances = (0u32..)
        .zip(&config.instances)
        .map(|(index, &task)| {
            let group = Group((index % u32::from(config.groups.max(1))) as u8);
            spawn_instance(world, &hosted[usize::from(task)], InstanceTask(task), InstanceId::new(index), group, seed)
        })
        .collect();
    world.insert_resource(HostedTasks(hosted));
    Ok(instances)
}
