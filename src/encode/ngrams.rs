//! Hashed n-grams: a vector for a text without any language model.

use super::TextEncoder;

/// Letters of a piece of a word.
const LETTERS: usize = 3;

/// Embeds a text by what it is made of: words, pairs of words and three-letter pieces.
///
/// Every piece has a fixed direction of random signs made from its hash; a text is the sum over its pieces, repeated ones
/// counting by the square root, scaled to length 1. Texts that share words lie close to each other, and nothing else is
/// known of their meaning. Equal texts have equal vectors on every machine.
#[derive(Clone, Copy, Debug)]
pub struct HashedNgrams;

impl TextEncoder for HashedNgrams {
    fn name(&self) -> &'static str {
        "hashed-ngrams-1"
    }

    fn encode(&self, text: &str, dim: usize) -> Vec<f32> {
        let mut pieces = pieces(text);
        pieces.sort_unstable();
        let mut sum = vec![0.0_f64; dim];
        for repeated in pieces.chunk_by(|a, b| a == b) {
            let weight = (repeated.len() as f64).sqrt();
            let mut bits = SplitMix(fnv1a(repeated[0].as_bytes()));
            for block in sum.chunks_mut(64) {
                let signs = bits.next();
                for (index, entry) in block.iter_mut().enumerate() {
                    *entry += if signs >> index & 1 == 1 { weight } else { -weight };
                }
            }
        }
        let norm = sum.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        // A text without a letter has no direction: zero is what the model gets for "no language".
        let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
        sum.into_iter().map(|entry| (entry * scale) as f32).collect()
    }
}

/// Words, pairs of neighboring words, and pieces of words, each kind marked apart.
fn pieces(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut pieces: Vec<String> = words.iter().map(|word| format!("w {word}")).collect();
    pieces.extend(words.windows(2).map(|pair| format!("p {} {}", pair[0], pair[1])));
    for word in words {
        let letters: Vec<char> = "^".chars().chain(word.chars()).chain("$".chars()).collect();
        pieces.extend(letters.windows(LETTERS).map(|piece| format!("l {}", piece.iter().collect::<String>())));
    }
    pieces
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// SplitMix64: bits from a hash.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likeness(a: &str, b: &str) -> f32 {
        let (a, b) = (HashedNgrams.encode(a, 512), HashedNgrams.encode(b, 512));
        a.iter().zip(&b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_length_one_at_any_width() {
        for dim in [1, 32, 100, 512, 768] {
            let vector = HashedNgrams.encode("A paddle. Move up and down.", dim);
            assert_eq!(vector.len(), dim);
            assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5, "{dim}");
        }
        assert!(HashedNgrams.encode(" ... ", 8).iter().all(|x| *x == 0.0));
    }

    #[test]
    fn texts_that_share_words_lie_closer() {
        let walk = "A walker with two legs. Walk forward.";
        let run = "A walker with two legs. Run forward.";
        let pong = "The left paddle of a table-tennis game. Return the ball.";
        assert!((likeness(walk, walk) - 1.0).abs() < 1e-5);
        assert!(likeness(walk, run) > 0.6, "{}", likeness(walk, run));
        assert!(likeness(walk, pong).abs() < 0.35, "{}", likeness(walk, pong));
    }

    #[test]
    fn vectors_stay_what_they_are() {
        // A change here changes what saved models were trained with: give the encoder a new name then.
        let signs: String = HashedNgrams
            .encode("Pong", 16)
            .iter()
            .map(|x| {
                if *x > 0.0 {
                    '+'
                } else if *x < 0.0 {
                    '-'
                } else {
                    '0'
                }
            })
            .collect();
        assert_eq!(signs, "+-------++++---+");
    }
}
