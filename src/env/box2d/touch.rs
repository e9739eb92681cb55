//! A body's contact flag, told the way Box2D's contact events do.

use serde::{Deserialize, Serialize};

/// Which pieces of ground a body touches, and its flag: set by the begin of a contact, cleared by the end of any. So it may
/// read false while another piece is still touched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Touch {
    /// The flag.
    pub flag: bool,
    pieces: Vec<u16>,
}

impl Touch {
    /// Takes in all pieces that are touched now.
    pub(super) fn update(&mut self, touched: &[u16]) {
        touched.iter().for_each(|&piece| self.begin(piece));
        let before = self.pieces.len();
        self.pieces.retain(|piece| touched.contains(piece));
        self.flag &= self.pieces.len() == before;
    }

    /// Takes in one that is touched now.
    pub(super) fn begin(&mut self, piece: u16) {
        if !self.pieces.contains(&piece) {
            self.pieces.push(piece);
            self.flag = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_one_contact_clears_the_flag_of_another() {
        let mut touch = Touch::default();
        for (touched, flag) in
            [(&[4][..], true), (&[4, 5], true), (&[5], false), (&[5], false), (&[5, 6], true), (&[], false)]
        {
            touch.update(touched);
            assert_eq!(touch.flag, flag, "{touched:?}");
        }
    }
}
