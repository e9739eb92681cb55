//! The instances: a tidy grid of pictures with what each is doing, or one of them large.

use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, egui};

use super::UiSystems;
use super::controls::FreeSpace;
use super::picture::Picture;
use super::{theme, view_bar};
use crate::env::HostedTasks;
use crate::sim::{Episode, EpisodeTally, FinishedEpisode, InstanceTask, Sim};
use crate::view::policy::{NextAction, PlannerLink, Policy};
use crate::view::selection::{InstanceName, Instances, Selection};
use crate::view::viewpoint::{ShowInside, Viewpoint};

/// Smallest picture in the grid, points; more instances scroll.
const MIN_SIDE: f32 = 120.0;
/// Largest picture, points.
const MAX_SIDE: f32 = 1024.0;
/// Space under a picture for its lines, points.
const CAPTION: f32 = 44.0;
/// Space for the frame around a picture, points.
const BORDER: f32 = 2.0;
/// Space between tiles, points.
const TILE_GAP: f32 = 16.0;

/// Shows the [`Instances`].
pub(super) struct GalleryPlugin;

impl Plugin for GalleryPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(EguiPrimaryContextPass, show.in_set(UiSystems::Center));
    }
}

type Tile = (
    &'static InstanceName,
    &'static InstanceTask,
    &'static Episode,
    &'static EpisodeTally,
    &'static FinishedEpisode,
    &'static Policy,
    &'static mut Picture,
    Option<&'static mut Viewpoint>,
);

/// What is on show.
#[derive(SystemParam)]
struct Exhibits<'w> {
    instances: Res<'w, Instances>,
    sim: Res<'w, Sim>,
    hosted: Res<'w, HostedTasks>,
    link: Option<Res<'w, PlannerLink>>,
}

fn show(
    mut contexts: EguiContexts,
    mut space: ResMut<FreeSpace>,
    mut selection: ResMut<Selection>,
    mut inside: ResMut<ShowInside>,
    exhibits: Exhibits,
    mut tiles: Query<Tile>,
) -> Result {
    let Exhibits { instances, sim, hosted, link } = exhibits;
    let planning = link.is_some_and(|link| link.is_slow());
    let mut region = space.region(contexts.ctx_mut()?, "stage region");
    for (.., mut picture, view) in &mut tiles {
        picture.bypass_change_detection().side = 0;
        if let Some(mut view) = view {
            view.bypass_change_detection().size = UVec2::ZERO;
        }
    }
    let mut clicked = None;
    egui::CentralPanel::default().frame(theme::stage()).show(&mut region, |ui| {
        let alone = selection.enlarged || instances.0.len() == 1;
        let large = tiles.get_mut(instances.selected(*selection)).expect("an instance on show has a tile");
        if let (true, Some(mut view)) = (alone, large.7) {
            view_bar::show(ui, &mut view, &mut inside);
            let rect = ui.available_rect_before_wrap().shrink(BORDER);
            let size = (rect.size() - egui::vec2(0.0, CAPTION)).max(egui::Vec2::splat(1.0));
            let look = Look { size, chosen: false, planning, whole: true };
            let tile = tiles.get_mut(instances.selected(*selection)).expect("it was there above");
            show_tile(ui, rect, look, tile, &sim);
            return;
        }
        let shown: Vec<usize> =
            if selection.enlarged { vec![selection.index] } else { (0..instances.0.len()).collect() };
        let grid = Grid::fit(ui.available_size() - egui::Vec2::splat(2.0 * BORDER), shown.len());
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let size = grid.size(shown.len()) + egui::Vec2::splat(2.0 * BORDER);
            let left = (ui.available_width() - size.x).max(0.0) / 2.0 + BORDER;
            let (area, _) = ui.allocate_exact_size(size, egui::Sense::hover());
            for (place, &index) in shown.iter().enumerate() {
                let rect = grid.cell(place).translate(area.min.to_vec2() + egui::vec2(left, BORDER));
                let tile = tiles.get_mut(instances.0[index]).expect("an instance on show has a tile");
                let chosen = shown.len() > 1 && index == selection.index;
                let look = Look { size: egui::Vec2::splat(grid.side), chosen, planning, whole: false };
                if show_tile(ui, rect, look, tile, &sim).clicked() {
                    clicked = Some(index);
                }
            }
            if selection.enlarged {
                let tile = tiles.get(instances.0[selection.index]).expect("an instance on show has a tile");
                show_reward_terms(ui, tile.1, tile.3, &hosted);
            }
        });
    });
    space.keep(&region);
    if let Some(index) = clicked {
        // A click chooses; a click on what is chosen enlarges it; a click on the large one goes back.
        let enlarge = selection.index == index && instances.0.len() > 1 && !selection.enlarged;
        *selection = Selection { index, enlarged: enlarge };
    }
    Ok(())
}

/// How a tile is shown.
#[derive(Clone, Copy)]
struct Look {
    /// Size of the picture, points.
    size: egui::Vec2,
    /// Whether it is the selected one of several.
    chosen: bool,
    /// Whether to say that its action is being planned.
    planning: bool,
    /// Whether it has the stage for itself, so that its camera follows the pointer.
    whole: bool,
}

fn show_tile(
    ui: &egui::Ui,
    rect: egui::Rect,
    look: Look,
    tile: <Tile as bevy::ecs::query::QueryData>::Item<'_, '_>,
    sim: &Sim,
) -> egui::Response {
    let (name, task, episode, tally, finished, policy, mut picture, view) = tile;
    let width = look.size.x;
    let task = sim.task(*task);
    let sense = if look.whole { egui::Sense::click_and_drag() } else { egui::Sense::click() };
    let response = ui.interact(rect, ui.id().with(("tile", &name.0)), sense);
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let pixels = |points: f32| (points * ui.ctx().pixels_per_point()).round().max(1.0) as u32;
    match view {
        Some(mut view) => {
            let view = view.bypass_change_detection();
            view.size = UVec2::new(pixels(width), pixels(look.size.y));
            if look.whole {
                view_bar::follow_pointer(&response, look.size.y, view);
            }
        }
        None => picture.bypass_change_detection().side = pixels(width),
    }

    let painter = ui.painter();
    let frame = egui::Rect::from_min_size(rect.min, look.size);
    let whole = egui::Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    painter.image(picture.texture, frame, whole, egui::Color32::WHITE);
    let border = match (look.chosen, response.hovered()) {
        (true, _) => egui::Stroke::new(2.0, theme::ACCENT),
        (false, true) => egui::Stroke::new(1.0, theme::FAINT),
        (false, false) => egui::Stroke::new(1.0, theme::LINE),
    };
    painter.rect_stroke(frame, 3.0, border, egui::StrokeKind::Outside);

    let narrow = width < 260.0;
    let line = |y: f32, text: String, size: f32, color: egui::Color32| {
        let mut job = egui::text::LayoutJob::simple_singleline(text, egui::FontId::proportional(size), color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(width - 2.0);
        painter.galley(egui::pos2(rect.min.x + 2.0, frame.max.y + y), painter.layout_job(job), color);
    };
    line(5.0, name.0.clone(), if narrow { 12.5 } else { 14.0 }, theme::TEXT);
    let score = if finished.count > 0 { format!(" · last score {:.2}", finished.score) } else { String::new() };
    let progress = if narrow {
        format!("{}:{} · {:.1}{}", episode.number + 1, episode.step, tally.episode_return, score.replace("last ", ""))
    } else {
        format!(
            "episode {} · step {} of {} · return {:.2}{score}",
            episode.number + 1,
            episode.step,
            task.episode_length,
            tally.episode_return
        )
    };
    line(24.0, progress, 12.0, theme::FAINT);
    if look.planning && matches!(policy, Policy::Planned(NextAction::Asked)) {
        let at = frame.max - egui::vec2(6.0, 6.0);
        let font = egui::FontId::proportional(12.0);
        let text = painter.layout_no_wrap("planning…".to_owned(), font, theme::TEXT);
        let back = egui::Rect::from_min_max(at - text.size() - egui::vec2(10.0, 4.0), at);
        painter.rect_filled(back, 4.0, theme::PANEL.gamma_multiply(0.8));
        painter.galley(back.min + egui::vec2(5.0, 2.0), text, theme::TEXT);
    }
    response.on_hover_text(format!("{}. {}.", task.embodiment, task.instruction))
}

fn show_reward_terms(ui: &mut egui::Ui, task: &InstanceTask, tally: &EpisodeTally, hosted: &HostedTasks) {
    let names = hosted.0[usize::from(task.0)].layout().reward_terms;
    if names.len() < 2 {
        return;
    }
    ui.vertical_centered(|ui| {
        let terms: Vec<String> = names.iter().zip(tally.terms).map(|(name, sum)| format!("{name} {sum:.2}")).collect();
        theme::explain(ui, format!("return by term:  {}", terms.join("   ·   ")));
    });
}

/// Where tiles go.
struct Grid {
    columns: usize,
    side: f32,
}

impl Grid {
    /// The arrangement of `count` tiles with the largest pictures.
    fn fit(free: egui::Vec2, count: usize) -> Self {
        let side_with = |columns: usize| {
            let rows = count.div_ceil(columns) as f32;
            let columns = columns as f32;
            let wide = (free.x - TILE_GAP * (columns - 1.0)) / columns;
            let high = (free.y - TILE_GAP * (rows - 1.0)) / rows - CAPTION;
            wide.min(high)
        };
        let best = (1..=count.max(1)).max_by(|&a, &b| side_with(a).total_cmp(&side_with(b))).unwrap_or(1);
        let side = side_with(best);
        if side >= MIN_SIDE {
            return Self { columns: best, side: side.min(MAX_SIDE).floor() };
        }
        let columns = ((free.x + TILE_GAP) / (MIN_SIDE + TILE_GAP)).floor().max(1.0);
        let side = ((free.x - TILE_GAP * (columns - 1.0)) / columns).max(MIN_SIDE.min(free.x));
        Self { columns: columns as usize, side: side.floor().max(1.0) }
    }

    fn cell(&self, place: usize) -> egui::Rect {
        let (row, column) = (place / self.columns, place % self.columns);
        let min = egui::pos2(column as f32 * (self.side + TILE_GAP), row as f32 * (self.side + CAPTION + TILE_GAP));
        egui::Rect::from_min_size(min, egui::vec2(self.side, self.side + CAPTION))
    }

    fn size(&self, count: usize) -> egui::Vec2 {
        let columns = self.columns.min(count).max(1) as f32;
        let rows = count.div_ceil(self.columns).max(1) as f32;
        egui::vec2(columns * (self.side + TILE_GAP) - TILE_GAP, rows * (self.side + CAPTION + TILE_GAP) - TILE_GAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_without_overlap() {
        for count in 1..40 {
            let free = egui::vec2(900.0, 700.0);
            let grid = Grid::fit(free, count);
            let cells: Vec<_> = (0..count).map(|place| grid.cell(place)).collect();
            for (index, cell) in cells.iter().enumerate() {
                assert!(cell.max.x <= free.x + 0.5, "{count} tiles: {cell:?}");
                assert!(cells[..index].iter().all(|other| !other.shrink(0.1).intersects(*cell)), "{count} tiles");
            }
        }
    }

    #[test]
    fn one_tile_takes_the_whole_space() {
        let grid = Grid::fit(egui::vec2(900.0, 700.0), 1);
        assert!((grid.side - (700.0 - CAPTION)).abs() < 1.5);
    }
}
