//! A picture of the app without a window: the same systems draw into a texture, which is read back and written.

use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::render::view::screenshot::{Screenshot as Capture, ScreenshotCaptured};

use super::picture::Stale;
use crate::view::clock::{Clock, Pace};
use crate::view::selection::Instances;
use crate::view::{After, Screenshot, ViewError};

/// Frames before the first picture: egui lays out, textures arrive.
const WARM_UP_FRAMES: u32 = 6;
/// Frames that stand still before the picture: the textures of new letters and of the last step arrive a frame late.
const STILL_FRAMES: u32 = 4;
/// Frames a second of the offscreen clock.
pub(super) const FRAMES_PER_SEC: f64 = 60.0;

/// Where the app is drawn to.
#[derive(Resource)]
pub(super) struct Target(Handle<Image>);

/// Takes the picture, writes it and leaves; what went wrong goes to `failures`.
pub(super) struct ScreenshotPlugin {
    pub(super) screenshot: Screenshot,
    pub(super) size: UVec2,
    pub(super) failures: crossbeam_channel::Sender<ViewError>,
}

#[derive(Resource, Clone)]
struct Plan {
    screenshot: Screenshot,
    failures: crossbeam_channel::Sender<ViewError>,
    /// Frames since the moment came.
    still: Option<u32>,
}

impl Plugin for ScreenshotPlugin {
    fn build(&self, app: &mut App) {
        let format = TextureFormat::Rgba8UnormSrgb;
        let image = Image::new_target_texture(self.size.x, self.size.y, format, None);
        let handle = app.world_mut().resource_mut::<Assets<Image>>().add(image);
        app.insert_resource(Target(handle))
            .insert_resource(Plan { screenshot: self.screenshot.clone(), failures: self.failures.clone(), still: None })
            .add_systems(Last, take);
    }
}

impl Target {
    /// For the camera.
    pub(super) fn render_target(&self) -> RenderTarget {
        RenderTarget::Image(self.0.clone().into())
    }
}

fn take(
    mut commands: Commands,
    mut plan: ResMut<Plan>,
    mut frames: Local<u32>,
    mut clock: ResMut<Clock>,
    (target, stale): (Res<Target>, Res<Stale>),
    instances: Res<Instances>,
    paces: Query<&Pace>,
) {
    *frames += 1;
    let due = match plan.screenshot.after {
        After::Frames(count) => *frames >= count,
        After::Seconds(seconds) => f64::from(*frames) >= seconds * FRAMES_PER_SEC,
        After::Steps(steps) => paces.get(instances.0[0]).is_ok_and(|pace| pace.steps >= steps),
    };
    if plan.still.is_none() && due && *frames >= WARM_UP_FRAMES {
        clock.hold();
        plan.still = Some(0);
    }
    let Some(still) = &mut plan.still else {
        return;
    };
    if stale.0 == 0 {
        *still += 1;
    }
    if *still != STILL_FRAMES || stale.0 > 0 {
        return;
    }
    commands.spawn(Capture::image(target.0.clone())).observe(
        |captured: On<ScreenshotCaptured>, plan: Res<Plan>, mut exit: MessageWriter<AppExit>| {
            let file = &plan.screenshot.file;
            if let Err(problem) = write_png(&captured.image, file) {
                let failure = ViewError::Screenshot { problem, file: file.clone() };
                plan.failures.send(failure).expect("the caller waits for the app");
            }
            exit.write(AppExit::Success);
        },
    );
}

/// Writes the picture beside its place first, so that a failure leaves nothing half-written.
fn write_png(image: &Image, file: &Path) -> io::Result<()> {
    let rgba = image.data.as_deref().ok_or_else(|| io::Error::other("the picture could not be read back"))?;
    let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let mut png = Cursor::new(Vec::new());
    let color = image::ExtendedColorType::Rgb8;
    image::write_buffer_with_format(&mut png, &rgb, image.width(), image.height(), color, image::ImageFormat::Png)
        .map_err(io::Error::other)?;
    let unfinished = file.with_extension("png.part");
    fs::write(&unfinished, png.into_inner()).and_then(|()| fs::rename(&unfinished, file)).inspect_err(|_| {
        // What could not be written in full is of no use; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&unfinished);
    })
}
