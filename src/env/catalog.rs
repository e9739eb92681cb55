//! Which environments this program hosts, and how to handle their instances without knowing their type.

use std::any::{Any, type_name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bevy::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "mujoco")]
use super::mujoco::Physics;
use super::{Environment, Layout, picture, plain_loop, plugin};
use crate::paint::Canvas;
use crate::sim::{
    ACTION_DIM, Action, Episode, EpisodeTally, FinalObservation, FinishedEpisode, Frame, Group, InstanceId,
    InstanceTask, OBS_DIM, Observation, Purpose, Seed, Sim, StepRecord,
};
use crate::task::Task;

/// A task that cannot be hosted, or an instance that cannot be saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// The task names an environment that no plugin registered.
    #[error("task {task} needs the environment {environment:?}, which this program does not host{hint}")]
    NotHosted {
        /// The task.
        task: String,
        /// What it needs.
        environment: String,
        /// Which build would have it, if any.
        hint: String,
    },
    /// The task's parameters are not what its environment takes, or what they name, such as a model, is not there.
    #[error("task {task} cannot be played: {problem}")]
    Params {
        /// The task.
        task: String,
        /// What is wrong.
        problem: String,
    },
    /// The task table and the environment disagree on a width.
    #[error("task {task} states {what} {stated}, but its environment has {found}; correct the task table")]
    Width {
        /// The task.
        task: String,
        /// `obs_dim` or `action_dim`.
        what: &'static str,
        /// In the table.
        stated: usize,
        /// In the layout.
        found: usize,
    },
    /// The task's pictures are asked for and cannot be drawn on this machine.
    #[error("task {task}: {problem}")]
    Pictures {
        /// The task.
        task: String,
        /// What is missing.
        problem: String,
    },
    /// A saved instance cannot be read back.
    #[error("the saved state of a {environment} instance cannot be read: {problem}")]
    Saved {
        /// The environment.
        environment: &'static str,
        /// What the parser says.
        problem: String,
    },
}

/// Parameters of one task, shared by its instances; the concrete type is the environment's `Params`.
pub(super) type SharedParams = Arc<dyn Any + Send + Sync>;

/// The environments that the feature `mujoco` adds.
const MUJOCO_ENVIRONMENTS: &[&str] = &["dmcontrol", "gym", "ogbench-ant", "ogbench-antball", "ogbench-maze"];

/// What can be done with instances of one environment type.
#[derive(Clone, Copy)]
pub struct EnvHooks {
    name: &'static str,
    step_nanos: u64,
    parse: fn(&Task) -> Result<SharedParams, String>,
    layout: fn(&SharedParams) -> Layout,
    check_drawing: fn(&SharedParams) -> Result<(), String>,
    time_plain_loop: fn(&Task, &SharedParams, u64, u32, &[[f32; ACTION_DIM]]) -> Duration,
    add_host: fn(&mut World),
    insert: fn(&mut EntityWorldMut, SharedParams, Seed, u64),
    copy: fn(&World, Entity, &mut World, Entity),
    draw: fn(&World, Entity, &mut dyn Canvas, Seed) -> bool,
    draw_backdrop: fn(&World, Entity, &mut dyn Canvas) -> bool,
    #[cfg(feature = "mujoco")]
    physics: fn(&World, Entity) -> Option<&Physics>,
    save: fn(&World, Entity) -> Result<serde_json::Value, String>,
    restore: fn(&mut World, Entity, serde_json::Value) -> Result<(), String>,
}

/// The environments that plugins have registered, by name.
#[derive(Resource, Default)]
pub struct EnvCatalog {
    hooks: BTreeMap<&'static str, EnvHooks>,
    /// Those whose systems run.
    scheduled: BTreeSet<&'static str>,
}

/// The parameters of an instance's task, shared by the instances of that task.
#[derive(Component)]
pub(super) struct Params<E: Environment>(pub(super) Arc<E::Params>);

impl<E: Environment> Clone for Params<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The hooks of an instance's environment, so that an entity alone is enough to handle it.
#[derive(Component, Clone, Copy)]
pub(super) struct Hooks(EnvHooks);

/// A task ready to be instantiated: its parameters are parsed and checked.
pub struct HostedTask {
    hooks: EnvHooks,
    params: SharedParams,
    layout: Layout,
}

impl HostedTask {
    /// The layout of its rows.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Checks that pictures of the task can be drawn on this machine.
    ///
    /// # Errors
    ///
    /// [`EnvError::Pictures`] says what is missing.
    pub fn check_drawing(&self, task: &Task) -> Result<(), EnvError> {
        (self.hooks.check_drawing)(&self.params)
            .map_err(|problem| EnvError::Pictures { task: task.id.clone(), problem })
    }

    /// Typical time of one step, ns.
    pub fn step_nanos(&self) -> u64 {
        self.hooks.step_nanos
    }

    /// Time that `steps` control steps of `instances` instances take in a plain loop on one thread, with the rows of
    /// `actions` in turn: what a simulation is measured against.
    pub fn time_plain_loop(&self, task: &Task, instances: u64, steps: u32, actions: &[[f32; ACTION_DIM]]) -> Duration {
        (self.hooks.time_plain_loop)(task, &self.params, instances, steps, actions)
    }
}

/// The hosted tasks of a world, in the order of its task table.
#[derive(Resource)]
pub struct HostedTasks(pub Vec<HostedTask>);

impl EnvCatalog {
    pub(super) fn register<E: Environment>(&mut self) {
        let hooks = EnvHooks {
            name: E::NAME,
            step_nanos: E::STEP_NANOS,
            parse: |task| {
                let params: E::Params = task.read_params()?;
                Ok(Arc::new(params))
            },
            layout: |params| E::layout(concrete::<E>(params).as_ref()),
            check_drawing: |params| E::check_drawing(concrete::<E>(params).as_ref()),
            time_plain_loop: |task, params, instances, steps, actions| {
                plain_loop::time::<E>(task, &concrete::<E>(params), instances, steps, actions)
            },
            add_host: plugin::add_host::<E>,
            insert: |entity, params, seed, stream| {
                let params = concrete::<E>(&params);
                let state = E::new(&params, &mut seed.rng(Purpose::Construct, stream, 0));
                entity.insert((state, Params::<E>(params)));
            },
            copy: |from_world, from, to_world, to| {
                let source = from_world.entity(from);
                if let (Some(state), Some(params)) = (source.get::<E>(), source.get::<Params<E>>()) {
                    let parts = (state.clone(), params.clone());
                    to_world.entity_mut(to).insert(parts);
                }
            },
            draw: |world, entity, canvas, seed| {
                let entity = world.entity(entity);
                let (Some(state), Some(params), Some(episode), Some(id)) =
                    (entity.get::<E>(), entity.get::<Params<E>>(), entity.get::<Episode>(), entity.get::<InstanceId>())
                else {
                    return false;
                };
                state.draw_backdrop(&params.0, canvas);
                state.draw(&params.0, canvas, &mut picture::draw_rng(seed, *id, episode));
                true
            },
            draw_backdrop: |world, entity, canvas| {
                let entity = world.entity(entity);
                let (Some(state), Some(params)) = (entity.get::<E>(), entity.get::<Params<E>>()) else {
                    return false;
                };
                state.draw_backdrop(&params.0, canvas);
                true
            },
            #[cfg(feature = "mujoco")]
            physics: |world, entity| world.get::<E>(entity)?.mujoco(),
            save: |world, entity| {
                let state = world.entity(entity).get::<E>().ok_or("the instance is gone")?;
                serde_json::to_value(state).map_err(|problem| problem.to_string())
            },
            restore: |world, entity, saved| {
                let mut state: E = serde_json::from_value(saved).map_err(|problem| problem.to_string())?;
                let params = world.entity(entity).get::<Params<E>>().ok_or("the instance is gone")?;
                state.revive(&params.0)?;
                world.entity_mut(entity).insert(state);
                Ok(())
            },
        };
        let known = self.hooks.insert(E::NAME, hooks);
        assert!(known.is_none(), "two plugins register the environment {:?} ({})", E::NAME, type_name::<E>());
    }

    /// Names of the hosted environments.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.hooks.keys().copied()
    }

    /// Parses and checks a task's parameters.
    ///
    /// # Errors
    ///
    /// [`EnvError`] when the task's environment is not hosted, its parameters do not fit, or its widths disagree.
    pub fn host(&self, task: &Task) -> Result<HostedTask, EnvError> {
        let hooks = *self.hooks.get(task.environment.as_str()).ok_or_else(|| EnvError::NotHosted {
            task: task.id.clone(),
            environment: task.environment.clone(),
            hint: if is_left_out(task) { "; build with --features mujoco".to_owned() } else { String::new() },
        })?;
        let params = (hooks.parse)(task).map_err(|problem| EnvError::Params { task: task.id.clone(), problem })?;
        let layout = (hooks.layout)(&params);
        for (what, stated, found) in
            [("obs_dim", task.obs_dim, layout.observation_dim()), ("action_dim", task.action_dim, layout.action_dim())]
        {
            if stated != found {
                return Err(EnvError::Width { task: task.id.clone(), what, stated, found });
            }
        }
        Ok(HostedTask { hooks, params, layout })
    }
}

/// Puts a new instance into the world. The schedule [`StartEpisodes`](crate::sim::StartEpisodes) starts its first
/// episode.
pub fn spawn_instance(
    world: &mut World,
    hosted: &HostedTask,
    task: InstanceTask,
    id: InstanceId,
    group: Group,
    seed: Seed,
) -> Entity {
    if world.resource_mut::<EnvCatalog>().scheduled.insert(hosted.hooks.name) {
        (hosted.hooks.add_host)(world);
    }
    let mode = world.resource::<Sim>().observation;
    let mut entity = world.spawn((
        id,
        task,
        group,
        Hooks(hosted.hooks),
        Action::default(),
        Observation::default(),
        FinalObservation::default(),
        Episode::unstarted(seed.rng(Purpose::Episode, id.stream(), 0)),
        StepRecord { needs_reset: true, ..StepRecord::default() },
        EpisodeTally::default(),
        FinishedEpisode::default(),
    ));
    if mode.draws() {
        entity.insert(Frame::default());
    }
    (hosted.hooks.insert)(&mut entity, Arc::clone(&hosted.params), seed, id.stream());
    entity.id()
}

/// Makes `to` the same as `from` in everything that decides its future until the episode ends: environment state,
/// episode, rows, picture. Later episodes differ, for each instance draws them from its own stream.
///
/// # Panics
///
/// When an entity is no hosted instance.
pub fn copy_instance(world: &mut World, from: Entity, to: Entity) {
    // A world cannot be borrowed twice, so the copy goes through a scratch world's entity.
    let hooks = *world.entity(from).get::<Hooks>().expect("an instance has hooks");
    let mut scratch = World::new();
    let middle = scratch.spawn_empty().id();
    (hooks.0.copy)(world, from, &mut scratch, middle);
    (hooks.0.copy)(&scratch, middle, world, to);
    let source = world.entity(from);
    let parts = (
        source.get::<Episode>().cloned().expect("an instance that has started has an episode"),
        source.get::<Observation>().cloned().expect("an instance has an observation"),
        source.get::<FinalObservation>().cloned().expect("an instance has a final observation"),
        source.get::<EpisodeTally>().cloned().expect("an instance has a tally"),
        *source.get::<StepRecord>().expect("an instance has a record"),
        *source.get::<InstanceTask>().expect("an instance has a task"),
        source.get::<Action>().cloned().expect("an instance has an action"),
    );
    let frame = source.get::<Frame>().cloned();
    let mut target = world.entity_mut(to);
    target.insert((parts, hooks));
    if let (Some(frame), true) = (frame, target.contains::<Frame>()) {
        target.insert(frame);
    }
}

/// Paints the present state of an instance; `false` if the entity is none or has not started.
pub fn draw_instance(world: &World, entity: Entity, canvas: &mut dyn Canvas, seed: Seed) -> bool {
    world.get::<Hooks>(entity).is_some_and(|hooks| (hooks.0.draw)(world, entity, canvas, seed))
}

/// Paints what stays of an instance's picture within an episode; `false` if the entity is none.
pub fn draw_backdrop(world: &World, entity: Entity, canvas: &mut dyn Canvas) -> bool {
    world.get::<Hooks>(entity).is_some_and(|hooks| (hooks.0.draw_backdrop)(world, entity, canvas))
}

/// All of an instance that decides its future, as plain data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceState {
    environment: serde_json::Value,
    episode: Episode,
    tally: EpisodeTally,
    finished: FinishedEpisode,
    observation: Vec<f32>,
    final_observation: Vec<f32>,
}

/// What [`restore_instance`] takes back.
///
/// # Errors
///
/// [`EnvError::Saved`] when the environment's state cannot be written.
///
/// # Panics
///
/// When the entity is no hosted instance.
pub fn save_instance(world: &World, entity: Entity) -> Result<InstanceState, EnvError> {
    let hooks = world.get::<Hooks>(entity).expect("an instance has hooks").0;
    let environment =
        (hooks.save)(world, entity).map_err(|problem| EnvError::Saved { environment: hooks.name, problem })?;
    let source = world.entity(entity);
    let part = "a hosted instance has all parts";
    Ok(InstanceState {
        environment,
        episode: source.get::<Episode>().expect(part).clone(),
        tally: source.get::<EpisodeTally>().expect(part).clone(),
        finished: source.get::<FinishedEpisode>().expect(part).clone(),
        observation: source.get::<Observation>().expect(part).0.to_vec(),
        final_observation: source.get::<FinalObservation>().expect(part).0.to_vec(),
    })
}

/// Gives an instance a saved state.
///
/// # Errors
///
/// [`EnvError::Saved`] when the state is not one of this environment; the instance is unchanged then.
///
/// # Panics
///
/// When the entity is no hosted instance.
pub fn restore_instance(world: &mut World, entity: Entity, saved: InstanceState) -> Result<(), EnvError> {
    let hooks = world.get::<Hooks>(entity).expect("an instance has hooks").0;
    let misfit = |problem: String| EnvError::Saved { environment: hooks.name, problem };
    let row = |row: Vec<f32>| {
        <[f32; OBS_DIM]>::try_from(row).map_err(|row| misfit(format!("a row has {} entries, not {OBS_DIM}", row.len())))
    };
    let (observation, last) = (row(saved.observation)?, row(saved.final_observation)?);
    (hooks.restore)(world, entity, saved.environment).map_err(misfit)?;
    world.entity_mut(entity).insert((
        saved.episode,
        saved.tally,
        saved.finished,
        Observation(observation),
        FinalObservation(last),
        StepRecord::default(),
    ));
    if let Some(mut frame) = world.get_mut::<Frame>(entity) {
        frame.backdrop_episode = None;
    }
    Ok(())
}

/// Whether this build leaves the task's environment out, so that another build is needed to host it.
pub fn is_left_out(task: &Task) -> bool {
    !cfg!(feature = "mujoco") && MUJOCO_ENVIRONMENTS.contains(&task.environment.as_str())
}

/// What MuJoCo holds of an instance, if MuJoCo simulates it.
#[cfg(feature = "mujoco")]
pub fn physics_of(world: &World, entity: Entity) -> Option<&Physics> {
    let hooks = world.get::<Hooks>(entity)?;
    (hooks.0.physics)(world, entity)
}

fn concrete<E: Environment>(params: &SharedParams) -> Arc<E::Params> {
    Arc::clone(params).downcast().expect("hooks are given parameters that they parsed")
}
