//! Putting the app together: in a window, or drawing into a picture.

use std::time::Duration;

use bevy::app::{ScheduleRunnerPlugin, TerminalCtrlCHandlerPlugin};
use bevy::asset::AssetPlugin;
use bevy::gilrs::GilrsPlugin;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::settings::WgpuSettings;
use bevy::time::TimeUpdateStrategy;
use bevy::window::{ExitCondition, PrimaryWindow, WindowResolution};
use bevy::winit::{UpdateMode, WinitPlugin, WinitSettings};
use bevy_egui::{EguiGlobalSettings, EguiPlugin, EguiPrimaryContextPass, PrimaryEguiContext};

use super::controls::ControlsPlugin;
use super::curves_panel::CurvesPanelPlugin;
use super::gallery::GalleryPlugin;
use super::picture::{PicturePlugin, SceneBudget};
use super::plan_panel::PlanPanelPlugin;
use super::screenshot::{FRAMES_PER_SEC, ScreenshotPlugin, Target};
use super::status_panel::{StatusPanelPlugin, Tab};
use super::{UiSystems, theme};
use crate::view::clock::{Clock, StepRate};
use crate::view::curves::CurvesFeed;
use crate::view::selection::Selection;
use crate::view::{MetricsSource, ViewError, ViewOptions, ViewSystems, WorldPlugin, add_instances};

/// Time between frames where the CPU draws.
const SOFTWARE_FRAME: Duration = Duration::from_millis(33);

/// [`crate::view::run`] in a build with graphics.
pub(in crate::view) fn run(options: ViewOptions) -> Result<(), ViewError> {
    if options.screenshot.is_none() {
        check_display()?;
    }
    let graphics = Graphics::find()?;
    let (failures, failed) = crossbeam_channel::bounded(1);
    let mut app = App::new();
    add_engine(&mut app, &options, graphics);
    app.insert_resource(graphics.budget(options.screenshot.is_some()));
    if let Some(screenshot) = options.screenshot.clone() {
        app.add_plugins(ScreenshotPlugin { screenshot, size: options.size, failures });
    }
    app.add_plugins(UiPlugin { tab: first_tab(&options) })
        .insert_resource(CurvesFeed::new(options.metrics))
        .add_plugins(WorldPlugin { agent: options.agent.clone(), clock: Clock::new(options.paused, options.speed) });
    let selection = Selection { index: options.enlarged.unwrap_or(0), enlarged: options.enlarged.is_some() };
    add_instances(&mut app, options.tasks, &options.instances, options.seed, options.agent.is_some())?;
    app.insert_resource(selection);
    app.run();
    match failed.try_recv() {
        Ok(failure) => Err(failure),
        Err(_) => Ok(()),
    }
}

/// The parts that draw: pictures, gallery, panels, keys.
struct UiPlugin {
    tab: Tab,
}

impl Plugin for UiPlugin {
    fn build(&self, app: &mut App) {
        app.configure_sets(
            EguiPrimaryContextPass,
            (UiSystems::Start, UiSystems::Top, UiSystems::Bottom, UiSystems::Side, UiSystems::Center, UiSystems::Over)
                .chain(),
        )
        .add_plugins((
            PicturePlugin,
            ControlsPlugin,
            GalleryPlugin,
            StatusPanelPlugin { tab: self.tab },
            PlanPanelPlugin,
            CurvesPanelPlugin,
            #[cfg(feature = "mujoco")]
            super::stage::StagePlugin,
        ))
        .add_systems(Startup, add_camera)
        .add_systems(Update, name_window.after(ViewSystems::Advance));
    }
}

fn first_tab(options: &ViewOptions) -> Tab {
    match (&options.agent, &options.metrics) {
        (Some(_), _) => Tab::Plan,
        (None, MetricsSource::None) => Tab::Tasks,
        (None, _) => Tab::Training,
    }
}

fn add_engine(app: &mut App, options: &ViewOptions, graphics: Graphics) {
    let offscreen = options.screenshot.is_some();
    let window = Window {
        title: "Terrarium".to_owned(),
        name: Some("terrarium".to_owned()),
        resolution: WindowResolution::new(options.size.x, options.size.y),
        ..default()
    };
    let plugins = DefaultPlugins
        .build()
        .disable::<TerminalCtrlCHandlerPlugin>()
        .set(AssetPlugin { watch_for_changes_override: Some(false), ..default() })
        .set(RenderPlugin {
            render_creation: WgpuSettings { backends: Some(graphics.backends), ..default() }.into(),
            synchronous_pipeline_compilation: offscreen,
            ..default()
        })
        .set(WindowPlugin {
            primary_window: (!offscreen).then_some(window),
            exit_condition: if offscreen { ExitCondition::DontExit } else { ExitCondition::OnPrimaryClosed },
            ..default()
        });
    if offscreen {
        let frame = Duration::from_secs_f64(1.0 / FRAMES_PER_SEC);
        app.add_plugins(plugins.disable::<WinitPlugin>().disable::<GilrsPlugin>())
            .add_plugins(ScheduleRunnerPlugin::run_loop(frame))
            .insert_resource(TimeUpdateStrategy::ManualDuration(frame));
    } else {
        app.add_plugins(plugins).insert_resource(graphics.pace());
    }
    app.add_plugins(EguiPlugin::default()).insert_resource(ClearColor(srgb(theme::BACKGROUND)));
    app.world_mut().resource_mut::<EguiGlobalSettings>().auto_create_primary_context = false;
}

fn srgb(color: bevy_egui::egui::Color32) -> Color {
    Color::srgb_u8(color.r(), color.g(), color.b())
}

fn add_camera(mut commands: Commands, target: Option<Res<Target>>) {
    let mut camera = commands.spawn((Camera2d, Msaa::Off, PrimaryEguiContext));
    if let Some(target) = target {
        camera.insert(target.render_target());
    }
}

/// The title says what runs, so that it can be told from the list of windows (and by a script).
fn name_window(
    mut windows: Query<&mut Window, With<PrimaryWindow>>,
    clock: Res<Clock>,
    rate: Res<StepRate>,
    time: Res<Time<bevy::time::Real>>,
    mut named: Local<Option<(Duration, bool)>>,
) {
    let recently = |last: Duration| time.elapsed().saturating_sub(last) < Duration::from_millis(250);
    if named.is_some_and(|(last, paused)| paused == clock.paused && recently(last)) {
        return;
    }
    *named = Some((time.elapsed(), clock.paused));
    for mut window in &mut windows {
        let state = if clock.paused { ", paused" } else { "" };
        let title = format!("Terrarium: {} steps{state}", rate.total);
        if window.title != title {
            window.title = title;
        }
    }
}

fn check_display() -> Result<(), ViewError> {
    if cfg!(not(target_os = "linux")) {
        return Ok(());
    }
    let named = |variable: &str| std::env::var(variable).ok().filter(|value| !value.is_empty());
    if named("WAYLAND_DISPLAY").is_some() || named("WAYLAND_SOCKET").is_some() {
        return Ok(());
    }
    match named("DISPLAY") {
        None => Err(ViewError::NoDisplay { problem: "neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned() }),
        Some(display) if !local_display_answers(&display) => {
            Err(ViewError::NoDisplay { problem: format!("no X server answers at DISPLAY={display}") })
        }
        Some(_) => Ok(()),
    }
}

/// Whether the X server of a local display such as `:99` accepts connections; displays elsewhere are believed.
#[cfg(target_os = "linux")]
fn local_display_answers(display: &str) -> bool {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};

    let Some(number) = display.strip_prefix(':').map(|rest| rest.split('.').next().unwrap_or(rest)) else {
        return true;
    };
    let path = format!("/tmp/.X11-unix/X{number}");
    let abstract_address = SocketAddr::from_abstract_name(path.as_bytes());
    UnixStream::connect(&path).is_ok()
        || abstract_address.is_ok_and(|address| UnixStream::connect_addr(&address).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn local_display_answers(_display: &str) -> bool {
    true
}

/// What draws here.
#[derive(Clone, Copy)]
struct Graphics {
    backends: wgpu::Backends,
    /// Whether the CPU does it.
    software: bool,
}

impl Graphics {
    /// The interfaces in `WGPU_BACKEND`, else Vulkan and its like where a driver answers, else OpenGL.
    fn find() -> Result<Self, ViewError> {
        let choices = match wgpu::Backends::from_env() {
            Some(chosen) => vec![chosen],
            None => vec![wgpu::Backends::PRIMARY, wgpu::Backends::SECONDARY],
        };
        choices.into_iter().find_map(Self::answering).ok_or(ViewError::NoAdapter)
    }

    fn answering(backends: wgpu::Backends) -> Option<Self> {
        let descriptor =
            wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let adapters = bevy::tasks::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
        let on_cpu = |adapter: &wgpu::Adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        (!adapters.is_empty()).then(|| Self { backends, software: adapters.iter().all(on_cpu) })
    }

    /// How many scenes of a grid are drawn in a frame.
    fn budget(self, offscreen: bool) -> SceneBudget {
        SceneBudget { scenes: if self.software { 1 } else { 8 }, offscreen }
    }

    /// How often the window is drawn. Instances go on when it is not in front; a CPU that draws is left time to plan.
    fn pace(self) -> WinitSettings {
        if self.software {
            let mode = UpdateMode::reactive(SOFTWARE_FRAME);
            WinitSettings { focused_mode: mode, unfocused_mode: mode }
        } else {
            WinitSettings::continuous()
        }
    }
}
