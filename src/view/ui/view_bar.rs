//! The line over a large 3D scene: which camera, and what of the inside is drawn.

use bevy_egui::egui;

use super::theme;
use crate::view::viewpoint::{ShowInside, Viewpoint};

/// Where there is less space the hint is left out, points.
const HINT_WIDTH: f32 = 330.0;

/// Shows it and does what is chosen.
pub(super) fn show(ui: &mut egui::Ui, view: &mut Viewpoint, inside: &mut ShowInside) {
    ui.horizontal_wrapped(|ui| {
        theme::explain(ui, "camera");
        egui::ComboBox::from_id_salt("camera").selected_text(view.name().to_owned()).show_ui(ui, |ui| {
            ui.selectable_value(&mut view.camera, None, "free");
            for (number, name) in view.cameras.iter().enumerate() {
                ui.selectable_value(&mut view.camera, Some(number), name);
            }
        });
        let moved = view.camera.is_none() && view.orbit != view.home;
        if ui.add_enabled(moved, egui::Button::new("Reset")).on_hover_text("Take the free camera back (R)").clicked() {
            view.reset();
        }
        ui.separator();
        ui.toggle_value(&mut inside.contacts, "Contacts").on_hover_text("Points and forces of contacts (N)");
        ui.toggle_value(&mut inside.joints, "Joint axes").on_hover_text("Axes of joints (J)");
        if view.camera.is_none() && ui.available_size_before_wrap().x > HINT_WIDTH {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                theme::explain(ui, "drag to turn · right drag to move · wheel to zoom");
            });
        }
    });
}

/// Moves the free camera with the pointer over a picture `height` points high.
pub(super) fn follow_pointer(response: &egui::Response, height: f32, view: &mut Viewpoint) {
    if view.camera.is_some() {
        return;
    }
    let drag = response.drag_delta() / height.max(1.0);
    let drag = bevy::math::Vec2::new(drag.x, drag.y);
    let moves = response.dragged_by(egui::PointerButton::Secondary)
        || response.dragged_by(egui::PointerButton::Middle)
        || response.ctx.input(|input| input.modifiers.shift);
    if drag != bevy::math::Vec2::ZERO {
        if moves { view.orbit.pan(drag) } else { view.orbit.turn(drag) }
    }
    if response.hovered() {
        let (wheel, pinch) = response.ctx.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = (wheel * 0.004).exp() * pinch;
        if factor != 1.0 {
            view.orbit.zoom(factor);
        }
    }
}
