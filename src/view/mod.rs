//! The app: instances live, their plans against what happened, training curves; in a window or on a picture.
//!
//! It only reads what others own: instances are stepped through [`ControlStep`](crate::sim::ControlStep), plans come
//! from a [`PlannerHandle`], curves from a run's `metrics.jsonl` or a channel. A frame is the chain [`ViewSystems`];
//! nothing in it waits for the planner. What happens ([`WorldPlugin`]) knows nothing of how it is drawn (`ui`).

mod clock;
mod comparison;
mod curves;
mod ghost;
mod policy;
#[cfg(all(feature = "view", feature = "mujoco"))]
mod scene;
mod selection;
#[cfg(feature = "view")]
mod ui;
mod viewpoint;
mod world;

pub use clock::{Clock, Pace, PrepareStep, RecordStep, StepRate, Stepping};
pub use comparison::{Comparison, Comparisons, HORIZONS};
pub use curves::{Curves, CurvesFeed, Feed, MetricsTail};
pub use ghost::{Ghost, ShowGhost};
pub use policy::{NextAction, PlannerLink, Policy};
#[cfg(all(feature = "view", feature = "mujoco"))]
pub use scene::{GhostPart, Part, Scene, ScenePlugin};
pub use selection::{InstanceName, Instances, Selection};
pub use viewpoint::{Orbit, ShowInside, Viewpoint};
pub use world::{WorldPlugin, add_instances};

use std::path::PathBuf;

use bevy::prelude::*;

use crate::env::EnvError;
use crate::sim::Seed;
use crate::task::Task;
use crate::train::messages::PlannerHandle;

/// What the app shows, and how it starts.
pub struct ViewOptions {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The task's number in `tasks` of each instance; several make a grid.
    pub instances: Vec<u16>,
    /// Where every random number comes from.
    pub seed: Seed,
    /// Who acts; without one, actions are random and the app says so.
    pub agent: Option<Agent>,
    /// Where training curves come from.
    pub metrics: MetricsSource,
    /// Start paused.
    pub paused: bool,
    /// Simulated over real time at the start.
    pub speed: f64,
    /// Logical size of the window or picture, px.
    pub size: UVec2,
    /// Start with this instance enlarged.
    pub enlarged: Option<usize>,
    /// Take a picture without a window, write it and leave.
    pub screenshot: Option<Screenshot>,
}

impl ViewOptions {
    /// One instance of each task, random actions, no curves, running at natural speed in a window.
    pub fn new(tasks: Vec<Task>) -> Self {
        Self {
            instances: (0..=u16::MAX).take(tasks.len()).collect(),
            tasks,
            seed: Seed::new(1),
            agent: None,
            metrics: MetricsSource::None,
            paused: false,
            speed: 1.0,
            size: UVec2::new(1440, 900),
            enlarged: None,
            screenshot: None,
        }
    }
}

/// A model that plans for the instances.
#[derive(Clone)]
pub struct Agent {
    /// Its thread.
    pub planner: PlannerHandle,
    /// What it is called in the app, such as the checkpoint's path.
    pub name: String,
    /// The number in the model's task list of each of the app's tasks.
    pub task_numbers: Vec<usize>,
}

/// Where training curves come from.
pub enum MetricsSource {
    /// Nowhere; the panel says how to get some.
    None,
    /// `metrics.jsonl` in this run directory, read as it grows; it need not exist yet.
    Directory(PathBuf),
    /// A training in the same process: each value is what a line of `metrics.jsonl` holds.
    Channel(crossbeam_channel::Receiver<serde_json::Value>),
}

/// A picture to take without a window.
#[derive(Clone, Debug)]
pub struct Screenshot {
    /// A PNG file.
    pub file: PathBuf,
    /// When to take it.
    pub after: After,
}

/// A moment after the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// Frames of 1/60 s.
    Frames(u32),
    /// Seconds at 60 frames each.
    Seconds(f64),
    /// Control steps of the first instance; waits for plans.
    Steps(u64),
}

/// The parts of a frame, in order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewSystems {
    /// Keys and buttons.
    Control,
    /// What the planner and the training sent is taken in.
    Receive,
    /// The record of a new plan starts.
    Begin,
    /// Its ghost is made.
    Copy,
    /// Control steps that are due.
    Advance,
    /// Questions to the planner.
    Ask,
    /// Pictures of what changed.
    Paint,
}

/// Why the app cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// This build has no window.
    #[error("this build has no window; build it with the feature `view`")]
    NotBuilt,
    /// No display server answers.
    #[error("no window can be opened: {problem}; use --screenshot FILE to get a picture without a display")]
    NoDisplay {
        /// What was looked for.
        problem: String,
    },
    /// Nothing can draw.
    #[error(
        "no graphics driver answers; install your GPU's Vulkan driver, or `mesa-vulkan-drivers` to draw on the CPU"
    )]
    NoAdapter,
    /// There is nothing to show.
    #[error("no instance to show; name at least one task")]
    NoInstances,
    /// A task cannot be hosted.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// The picture cannot be written.
    #[error("the picture cannot be written: {problem} ({})", file.display())]
    Screenshot {
        /// What the system says.
        problem: std::io::Error,
        /// Where it should go.
        file: PathBuf,
    },
}

/// Opens the app and returns when it is closed, or takes the picture that was asked for. Call it on the main thread.
///
/// # Errors
///
/// [`ViewError`] when there is no display, no graphics driver or nothing to show, or when the picture cannot be written.
pub fn run(options: ViewOptions) -> Result<(), ViewError> {
    #[cfg(feature = "view")]
    return ui::run(options);
    #[cfg(not(feature = "view"))]
    {
        drop(options);
        Err(ViewError::NotBuilt)
    }
}
