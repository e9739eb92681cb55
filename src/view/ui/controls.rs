//! The bar at the top and its keys: pause, single step, speed, grid, ghost, help.

use bevy::ecs::system::SystemParam;
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::prelude::*;
use bevy_egui::input::egui_wants_any_keyboard_input;
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, egui};

use super::UiSystems;
use super::status_panel::SidePanel;
use super::theme;
use crate::view::ViewSystems;
use crate::view::clock::Clock;
use crate::view::ghost::ShowGhost;
use crate::view::policy::PlannerLink;
use crate::view::selection::{Instances, Selection};
use crate::view::viewpoint::{ShowInside, Viewpoint};

/// What can be done, by key or button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    TogglePause,
    SingleStep,
    Faster,
    Slower,
    ToggleGrid,
    Back,
    Next,
    Previous,
    ToggleGhost,
    NextCamera,
    ResetCamera,
    ToggleContacts,
    ToggleJoints,
    TogglePanel,
    ToggleHelp,
}

/// Keys and what they do, as the help lists them.
const KEYS: &[(&str, &str)] = &[
    ("Space", "pause, go on"),
    (".  or  →", "one step (pauses)"),
    ("+  /  -", "faster, slower"),
    ("G", "grid, or the selected instance alone"),
    ("Esc", "close this, back to the grid"),
    ("[  /  ]", "previous, next instance"),
    ("O", "ghost of the open-loop plan"),
    ("C", "next camera of a 3D scene"),
    ("drag, wheel", "turn the free camera, go nearer or farther"),
    ("right drag", "move the free camera; R takes it back"),
    ("N  /  J", "contacts, joint axes of a 3D scene"),
    ("P", "side panel"),
    ("H", "this help"),
];

/// Whether the help is open.
#[derive(Resource, Default)]
struct Help(bool);

/// The part of the window that no panel has taken yet.
#[derive(Resource)]
pub(super) struct FreeSpace(pub(super) egui::Rect);

impl FreeSpace {
    /// A region over what is free; call [`FreeSpace::keep`] with it when the panel has taken its part.
    pub(super) fn region(&self, ctx: &egui::Context, id: &str) -> egui::Ui {
        let builder = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(self.0);
        egui::Ui::new(ctx.clone(), egui::Id::new(id), builder)
    }

    /// What the region leaves is free for the next.
    pub(super) fn keep(&mut self, region: &egui::Ui) {
        self.0 = region.available_rect_before_wrap();
    }
}

/// Turns keys and buttons into changes of [`Clock`], [`Selection`] and what is on show.
pub(super) struct ControlsPlugin;

impl Plugin for ControlsPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Help>()
            .init_resource::<ShowInside>()
            .insert_resource(FreeSpace(egui::Rect::ZERO))
            .add_systems(Update, press_keys.in_set(ViewSystems::Control).run_if(not(egui_wants_any_keyboard_input)))
            .add_systems(
                EguiPrimaryContextPass,
                (
                    start_frame.in_set(UiSystems::Start),
                    show_bar.in_set(UiSystems::Top),
                    show_help.in_set(UiSystems::Over),
                ),
            );
    }
}

/// What controls act on.
#[derive(SystemParam)]
struct Controlled<'w, 's> {
    clock: ResMut<'w, Clock>,
    selection: ResMut<'w, Selection>,
    instances: Res<'w, Instances>,
    ghost: ResMut<'w, ShowGhost>,
    panel: ResMut<'w, SidePanel>,
    inside: ResMut<'w, ShowInside>,
    views: Query<'w, 's, &'static mut Viewpoint>,
    help: ResMut<'w, Help>,
}

impl Controlled<'_, '_> {
    fn apply(&mut self, control: Control) {
        let count = self.instances.0.len();
        match control {
            Control::TogglePause => self.clock.paused = !self.clock.paused,
            Control::SingleStep => self.clock.single_step(),
            Control::Faster => self.clock.change_speed(true),
            Control::Slower => self.clock.change_speed(false),
            Control::ToggleGrid => self.selection.enlarged = !self.selection.enlarged,
            Control::Back if self.help.0 => self.help.0 = false,
            Control::Back => self.selection.enlarged = false,
            Control::Next => self.selection.index = (self.selection.index + 1) % count,
            Control::Previous => self.selection.index = (self.selection.index + count - 1) % count,
            Control::ToggleGhost => self.ghost.0 = !self.ghost.0,
            Control::NextCamera => self.change_view(Viewpoint::next_camera),
            Control::ResetCamera => self.change_view(Viewpoint::reset),
            Control::ToggleContacts => self.inside.contacts = !self.inside.contacts,
            Control::ToggleJoints => self.inside.joints = !self.inside.joints,
            Control::TogglePanel => self.panel.open = !self.panel.open,
            Control::ToggleHelp => self.help.0 = !self.help.0,
        }
    }

    /// Of the selected instance, if it has a 3D scene.
    fn change_view(&mut self, change: impl FnOnce(&mut Viewpoint)) {
        if let Ok(mut view) = self.views.get_mut(self.instances.selected(*self.selection)) {
            change(&mut view);
        }
    }
}

fn press_keys(mut keys: MessageReader<KeyboardInput>, mut controlled: Controlled) {
    for key in keys.read().filter(|key| key.state == ButtonState::Pressed) {
        let Some(control) = control_of(&key.logical_key) else {
            continue;
        };
        let repeats = matches!(control, Control::SingleStep | Control::Faster | Control::Slower);
        if repeats || !key.repeat {
            controlled.apply(control);
        }
    }
}

fn control_of(key: &Key) -> Option<Control> {
    let character = match key {
        Key::Space => return Some(Control::TogglePause),
        Key::ArrowRight => return Some(Control::SingleStep),
        Key::Escape => return Some(Control::Back),
        Key::Character(text) => text.to_lowercase(),
        _ => return None,
    };
    match character.as_str() {
        " " => Some(Control::TogglePause),
        "." => Some(Control::SingleStep),
        "+" | "=" => Some(Control::Faster),
        "-" => Some(Control::Slower),
        "g" => Some(Control::ToggleGrid),
        "]" => Some(Control::Next),
        "[" => Some(Control::Previous),
        "o" => Some(Control::ToggleGhost),
        "c" => Some(Control::NextCamera),
        "r" => Some(Control::ResetCamera),
        "n" => Some(Control::ToggleContacts),
        "j" => Some(Control::ToggleJoints),
        "p" => Some(Control::TogglePanel),
        "h" => Some(Control::ToggleHelp),
        _ => None,
    }
}

fn start_frame(mut contexts: EguiContexts, mut space: ResMut<FreeSpace>, mut styled: Local<bool>) -> Result {
    let ctx = contexts.ctx_mut()?;
    if !*styled {
        theme::apply(ctx);
        *styled = true;
    }
    space.0 = ctx.viewport_rect();
    Ok(())
}

fn show_bar(
    mut contexts: EguiContexts,
    mut space: ResMut<FreeSpace>,
    mut controlled: Controlled,
    link: Option<Res<PlannerLink>>,
) -> Result {
    let mut region = space.region(contexts.ctx_mut()?, "bar region");
    let mut pressed = None;
    egui::Panel::top("bar").frame(theme::panel()).show(&mut region, |ui| {
        ui.horizontal(|ui| {
            ui.label(egui::RichText::new("Terrarium").heading().strong());
            ui.separator();
            let mut button = |ui: &mut egui::Ui, text: &str, active: bool, hint: &str, control: Control| {
                let button = egui::Button::new(text).selected(active).min_size(egui::vec2(32.0, 24.0));
                if ui.add(button).on_hover_text(hint).clicked() {
                    pressed = Some(control);
                }
            };
            let (icon, hint) =
                if controlled.clock.paused { ("▶", "Go on (Space)") } else { ("⏸", "Pause (Space)") };
            button(ui, icon, controlled.clock.paused, hint, Control::TogglePause);
            button(ui, "⏭", false, "One step (. or →)", Control::SingleStep);
            ui.separator();
            button(ui, "−", false, "Slower (-)", Control::Slower);
            ui.add_sized(
                [52.0, 24.0],
                egui::Label::new(egui::RichText::new(format!("{}×", controlled.clock.speed)).monospace()),
            );
            button(ui, "+", false, "Faster (+)", Control::Faster);
            ui.separator();
            let alone = controlled.selection.enlarged;
            if controlled.instances.0.len() > 1 {
                button(ui, "Grid", !alone, "All instances, or the selected one alone (G)", Control::ToggleGrid);
            }
            if link.is_some() {
                button(ui, "Ghost", controlled.ghost.0, "Show the ghost of the plan (O)", Control::ToggleGhost);
            }
            button(ui, "Panel", controlled.panel.open, "Show the side panel (P)", Control::TogglePanel);
            button(ui, "Help", controlled.help.0, "Keys (H)", Control::ToggleHelp);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| show_agent(ui, link.as_deref()));
        });
    });
    space.keep(&region);
    if let Some(control) = pressed {
        controlled.apply(control);
    }
    Ok(())
}

fn show_agent(ui: &mut egui::Ui, link: Option<&PlannerLink>) {
    match link {
        None => theme::explain(ui, "no model: actions are random"),
        Some(link) if link.failure.is_some() => theme::complain(ui, "planner stopped"),
        Some(link) => {
            ui.label(link.name());
            theme::explain(ui, "agent");
        }
    }
}

fn show_help(mut contexts: EguiContexts, mut help: ResMut<Help>) -> Result {
    let mut open = help.0;
    egui::Window::new("Keys")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(egui::Align2::CENTER_CENTER, egui::Vec2::ZERO)
        .show(contexts.ctx_mut()?, |ui| {
            egui::Grid::new("keys").num_columns(2).spacing([24.0, 6.0]).show(ui, |ui| {
                for (key, meaning) in KEYS {
                    ui.label(egui::RichText::new(*key).monospace().color(theme::ACCENT));
                    ui.label(*meaning);
                    ui.end_row();
                }
            });
        });
    help.0 = open;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::clock::SPEEDS;

    #[test]
    fn speed_keys_stop_at_the_limits() {
        let mut clock = Clock::new(false, 1.0);
        for _ in 0..20 {
            clock.change_speed(true);
        }
        assert_eq!(clock.speed, SPEEDS[SPEEDS.len() - 1]);
        for _ in 0..20 {
            clock.change_speed(false);
        }
        assert_eq!(clock.speed, SPEEDS[0]);
    }

    #[test]
    fn every_listed_key_does_something() {
        for text in [" ", ".", "+", "-", "g", "[", "]", "o", "c", "r", "n", "j", "p", "h"] {
            assert!(control_of(&Key::Character(text.into())).is_some(), "{text}");
        }
    }
}
