//! Recorded episodes as files hold them: what a recorder of another implementation writes is read and checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::physics::{Field, Physics};
use crate::task::Task;

/// Episodes of tasks, by task id, as they are written: a task that is ill-formed does not hinder the others.
pub type Traces = BTreeMap<String, Value>;

/// Reads a file of traces. As in Python's, numbers may be `NaN` and `Infinity`.
///
/// # Errors
///
/// When it is not a JSON object.
pub fn parse_traces(text: &str) -> serde_json::Result<Traces> {
    serde_json::from_str(&quote_not_finite(text))
}

/// The text with every number that is not finite, outside of strings, as the string `"NaN"`: JSON has no word for it.
fn quote_not_finite(text: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            c if in_word(c) => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        let not_finite = piece.parse().is_ok_and(|number: f64| !number.is_finite());
        quoted.push_str(if not_finite { "\"NaN\"" } else { piece });
        rest = after;
    }
    quoted
}

/// Length of the string, with its quotes, that `text` begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A recorded number; NaN where it is not finite.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Number(pub(super) f64);

impl TryFrom<Value> for Number {
    type Error = String;

    fn try_from(written: Value) -> Result<Self, String> {
        match written.as_f64() {
            Some(number) => Ok(Self(number)),
            None if written.is_null() || written == "NaN" => Ok(Self(f64::NAN)),
            None => Err(format!("{written} stands where a number should")),
        }
    }
}

/// Whether the task counted as solved, as 0 or 1, after each step or only the last; `None` where that was not defined,
/// as for the control suite, whose recorders write NaN.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct Success(pub(super) Vec<Option<f64>>);

impl TryFrom<Value> for Success {
    type Error = String;

    fn try_from(written: Value) -> Result<Self, String> {
        let steps = match written {
            Value::Array(steps) => steps,
            last => vec![last],
        };
        let read = |step| match step {
            Value::Bool(success) => Ok(Some(f64::from(u8::from(success)))),
            number => Number::try_from(number).map(|number| number.0.is_finite().then_some(number.0)),
        };
        steps.into_iter().map(read).collect::<Result<_, String>>().map(Self)
    }
}

/// One recorded episode.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RecordedEpisode {
    /// The state right after the reset.
    #[serde(flatten)]
    pub(super) start: Start,
    /// One row an agent step.
    actions: Vec<Vec<Number>>,
    /// After each agent step.
    pub(super) observations: Vec<Vec<Number>>,
    /// Sums over the action repeat.
    pub(super) rewards: Vec<Number>,
    /// Whether the task counted as solved, where that is recorded.
    #[serde(default)]
    pub(super) success: Success,
    /// The score after the last step, where that is recorded.
    #[serde(default)]
    pub(super) score: Option<Number>,
}

/// A state to play from. What is left out is zero.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Start {
    qpos: Vec<Number>,
    #[serde(default)]
    qvel: Option<Vec<Number>>,
    #[serde(default)]
    act: Option<Vec<Number>>,
    /// What the first solve starts from.
    #[serde(default)]
    qacc_warmstart: Option<Vec<Number>>,
    /// What the reset changed in the model.
    #[serde(default)]
    model_changes: Vec<ModelChange>,
    /// The observation of the reset.
    #[serde(default)]
    pub(super) first_obs: Option<Vec<Number>>,
}

/// A changed element of the model.
#[derive(Clone, Debug, Deserialize)]
struct ModelChange {
    field: String,
    #[serde(default)]
    name: String,
    index: usize,
    value: Vec<Number>,
}

impl RecordedEpisode {
    /// The episodes of a task.
    ///
    /// # Errors
    ///
    /// A sentence when there are none, when one has no step or does not fit the task, and for numbers that are not finite.
    pub(super) fn read(task: &Task, written: &Value) -> Result<Vec<Self>, String> {
        let episodes = written.as_array().ok_or("its recording is no list of episodes")?;
        if episodes.is_empty() {
            return Err("no episode of it is recorded".to_owned());
        }
        let read = |(number, written): (usize, &Value)| {
            let episode = Self::deserialize(written).map_err(|problem| problem.to_string());
            let sound = episode.and_then(|episode| episode.check(task).map(|()| episode));
            sound.map_err(|problem| format!("its recorded episode {number} cannot be used: {problem}"))
        };
        (1..).zip(episodes).map(read).collect()
    }

    /// The actions.
    pub(super) fn actions(&self) -> Vec<Vec<f32>> {
        self.actions.iter().map(|row| row.iter().map(|number| number.0 as f32).collect()).collect()
    }

    /// What was seen after the reset and after each step.
    pub(super) fn seen(&self) -> impl Iterator<Item = &Vec<Number>> {
        self.start.first_obs.iter().chain(&self.observations)
    }

    fn check(&self, task: &Task) -> Result<(), String> {
        let steps = self.actions.len();
        if steps == 0 {
            return Err("it has no step".to_owned());
        }
        if (self.observations.len(), self.rewards.len()) != (steps, steps) {
            return Err(format!("{steps} actions, but not as many observations and rewards"));
        }
        if self.start.first_obs.is_none() {
            return Err("it has no first_obs, the observation of the reset".to_owned());
        }
        let marks = self.success.0.len();
        if ![0, 1, steps].contains(&marks) {
            return Err(format!("{steps} actions, but {marks} entries of success"));
        }
        for (step, row) in self.seen().enumerate() {
            check_row(&format!("observation after step {step}"), row, task.obs_dim)?;
        }
        for (step, (action, reward)) in (1..).zip(self.actions.iter().zip(&self.rewards)) {
            check_row(&format!("action of step {step}"), action, task.action_dim)?;
            check_finite(&format!("reward of step {step}"), [reward])?;
        }
        check_finite("score", &self.score)
    }
}

fn check_row(what: &str, row: &[Number], width: usize) -> Result<(), String> {
    if row.len() != width {
        return Err(format!("its {what} has {} entries; the task has {width}", row.len()));
    }
    check_finite(what, row)
}

/// Refuses numbers that are not finite in single precision, which is what observations and actions have.
fn check_finite<'a>(what: &str, numbers: impl IntoIterator<Item = &'a Number>) -> Result<(), String> {
    let finite = numbers.into_iter().all(|number| (number.0 as f32).is_finite());
    finite.then_some(()).ok_or_else(|| format!("its {what} is not finite"))
}

impl Start {
    /// Puts an instance into this state.
    ///
    /// # Errors
    ///
    /// A sentence when the state is not one of the instance's model.
    pub(super) fn load(&self, physics: &mut Physics) -> Result<(), String> {
        for change in &self.model_changes {
            change.apply(physics)?;
        }
        for (what, values, target) in [
            ("qpos", Some(&self.qpos), Physics::qpos_mut as fn(&mut Physics) -> &mut [f64]),
            ("qvel", self.qvel.as_ref(), Physics::qvel_mut),
            ("act", self.act.as_ref(), Physics::act_mut),
            ("qacc_warmstart", self.qacc_warmstart.as_ref(), Physics::warmstart_mut),
        ] {
            let target = target(physics);
            let Some(values) = values else {
                target.fill(0.0);
                continue;
            };
            if values.len() != target.len() {
                return Err(format!("its {what} has {} numbers, the model takes {}", values.len(), target.len()));
            }
            check_finite(what, values)?;
            target.iter_mut().zip(values).for_each(|(target, number)| *target = number.0);
        }
        physics.settle_state();
        Ok(())
    }
}

impl ModelChange {
    /// Makes the change, unless it only shows.
    fn apply(&self, physics: &mut Physics) -> Result<(), String> {
        if self.field.ends_with("_rgba") {
            return Ok(());
        }
        let field = Field::named(&self.field)
            .ok_or_else(|| format!("it changes {:?} of the model, which instances cannot change", self.field))?;
        let model = physics.model();
        let element = match (field, self.name.as_str()) {
            (_, "") | (Field::DofDamping, _) => self.index,
            (Field::GeomPos | Field::GeomSize, name) => {
                model.geom(name).map_err(|problem| problem.to_string())?.index()
            }
            (Field::SitePos | Field::SiteSize, name) => {
                model.site(name).map_err(|problem| problem.to_string())?.index()
            }
        };
        check_finite(&self.field, &self.value)?;
        let values: Vec<f64> = self.value.iter().map(|number| number.0).collect();
        physics.try_set_field(field, element, &values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_outside_of_strings_are_taken_for_not_finite() {
        let text = r#"{"NaN": [NaN, -Infinity, 1e999, 1.5e3, null, true], "a\"NaN\\": "NaN"}"#;
        let expected = r#"{"NaN": ["NaN", "NaN", "NaN", 1.5e3, null, true], "a\"NaN\\": "NaN"}"#;
        assert_eq!(quote_not_finite(text), expected);
        for broken in ["\"NaN", "\"", "", "é\\", "NaN"] {
            assert!(parse_traces(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn success_is_read_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<Success>(text).map(|success| success.0);
        assert_eq!(
            read(r#"[true, false, 1.0, 0, "NaN", null]"#).expect("marks"),
            [Some(1.0), Some(0.0), Some(1.0), Some(0.0), None, None]
        );
        assert_eq!(read("1.0").expect("the last step's"), [Some(1.0)]);
        assert!(read(r#"["yes"]"#).expect_err("no mark").to_string().contains("\"yes\" stands where a number should"));
    }
}
