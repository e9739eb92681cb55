//! Sweeps over velocities, repeated as often as Box2D repeats them.

/// Lets `sweep` change `state` `times` times. Rounding makes sweeps run into a circle of states long before the last of
/// them; whole rounds of it are left out, which changes nothing. A circle shows by a state that comes again (Brent's
/// algorithm).
pub(super) fn repeat<S: Clone + PartialEq>(times: usize, state: &mut S, mut sweep: impl FnMut(&mut S)) {
    let (mut kept, mut kept_at) = (state.clone(), 0);
    let (mut done, mut end) = (0, times);
    while done < end {
        sweep(state);
        done += 1;
        if *state == kept {
            end = done + (end - done) % (done - kept_at);
        }
        if done.is_power_of_two() {
            (kept, kept_at) = (state.clone(), done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_of_a_circle_are_left_out() {
        for times in 0..200 {
            for (tail, round) in [(0, 1), (5, 1), (3, 2), (17, 7), (150, 1)] {
                let (mut state, mut sweeps) = (0, 0);
                repeat(times, &mut state, |state| {
                    sweeps += 1;
                    *state = if *state + 1 == tail + round { tail } else { *state + 1 };
                });
                let expected = if times < tail { times } else { tail + (times - tail) % round };
                assert_eq!(state, expected, "after {times} of {tail} and {round}");
                assert!(sweeps <= times && sweeps <= 3 * (tail + round), "{sweeps} sweeps");
            }
        }
    }
}
