//! Pictures as observations: an instance's state painted into its frame.

use std::cell::RefCell;

use super::Environment;
use crate::paint::Raster;
use crate::sim::{Episode, Frame, InstanceId, Purpose, Rng, Seed};

/// The generator of one picture: equal for equal instance, episode and step.
pub(super) fn draw_rng(seed: Seed, id: InstanceId, episode: &Episode) -> Rng {
    seed.rng(Purpose::Draw, id.stream(), (episode.number << 24) | u64::from(episode.step))
}

thread_local! {
    static RASTER: RefCell<Raster> = RefCell::new(Raster::new());
}

impl Frame {
    /// Draws the observation, painting the episode's backdrop only once.
    pub(super) fn paint<E: Environment>(
        &mut self,
        state: &E,
        params: &E::Params,
        id: InstanceId,
        episode: &Episode,
        seed: Seed,
    ) {
        RASTER.with_borrow_mut(|raster| {
            if self.backdrop_episode == Some(episode.number) {
                raster.load(&self.backdrop);
            } else {
                raster.clear();
                state.draw_backdrop(params, raster);
                self.backdrop.resize(raster.bytes().len(), 0);
                self.backdrop.copy_from_slice(raster.bytes());
                self.backdrop_episode = Some(episode.number);
            }
            state.draw(params, raster, &mut draw_rng(seed, id, episode));
            raster.write_channels_first(&mut self.pixels);
        });
    }
}
