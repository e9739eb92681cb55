//! Pictures of a task: through which camera, and what is shown where none can be drawn.

use std::sync::{Arc, OnceLock};

use super::Physics;
use super::gl::GlError;
use super::render::{Shot, Studio, View};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};

/// How the instances of a task are pictured. Nothing is opened before the first picture is asked for.
pub(crate) struct Pictures {
    shot: Shot,
    studio: OnceLock<Result<Arc<Studio>, GlError>>,
}

impl Pictures {
    /// Pictures from `view`, drawn at the size of an observation.
    pub(crate) fn from_view(view: View) -> Self {
        Self::drawn_at(view, CANVAS_SIZE as usize)
    }

    /// Pictures that are drawn `size` pixels wide and high and then resized to an observation.
    pub(crate) fn drawn_at(view: View, size: usize) -> Self {
        Self { shot: Shot { view, size }, studio: OnceLock::new() }
    }

    /// Checks that pictures can be drawn on this machine.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.studio().map(|_| ()).map_err(ToString::to_string)
    }

    /// Shows an instance; where that cannot be, why.
    pub(crate) fn draw(&self, physics: &Physics, canvas: &mut dyn Canvas) {
        match self.studio() {
            Ok(studio) => {
                studio.picture(physics, &self.shot, |rgb| canvas.image(self.shot.size, self.shot.size, rgb));
            }
            Err(error) => explain(&error.to_string(), canvas),
        }
    }

    fn studio(&self) -> Result<&Arc<Studio>, &GlError> {
        self.studio.get_or_init(Studio::open).as_ref()
    }
}

/// Writes a sentence over the whole picture.
fn explain(sentence: &str, canvas: &mut dyn Canvas) {
    const SIZE: i32 = 12;
    const MARGIN: i32 = 10;
    canvas.fill(Color::rgb(30, 34, 40));
    let mut top = MARGIN;
    let mut line = String::new();
    for word in sentence.split(' ').map(Some).chain([None]) {
        let longer = word.map(|word| if line.is_empty() { word.to_owned() } else { format!("{line} {word}") });
        match longer {
            Some(longer) if canvas.text_size(SIZE, &longer).0 <= CANVAS_SIZE - 2 * MARGIN => line = longer,
            _ => {
                canvas.text(MARGIN, top, Anchor::TopLeft, SIZE, Color::rgb(220, 220, 220), &line);
                top += canvas.text_size(SIZE, &line).1;
                line = word.unwrap_or_default().to_owned();
            }
        }
    }
}
