//! Networks: normalized linear layers, ensembles of them, and what a task's language adds.

use std::ops::Range;

use tch::{Tensor, no_grad};

use super::kernels::{self, Activation, LayerArgs, RowTerm};
use super::params::Arena;

/// Linear, then layer norm and activation where there are any. An ensemble's tensors have a leading axis of heads.
///
/// The columns of a first layer that read the language embedding are a tensor of their own: their product is the same
/// for all rows of a task, so it is taken once a task.
#[derive(Debug)]
pub(crate) struct Layer {
    weight: Tensor,           // [q?, out, in]
    language: Option<Tensor>, // [q?, out, T]
    bias: Tensor,             // [q?, out]
    norm: Option<Norm>,
    activation: Activation,
}

#[derive(Debug)]
struct Norm {
    weight: Tensor, // [q?, out]
    bias: Tensor,   // [q?, out]
}

/// A multilayer perceptron or an ensemble of them.
#[derive(Debug)]
pub(crate) struct Mlp {
    layers: Vec<Layer>,
    /// Number of members, if this is an ensemble.
    heads: Option<i64>,
    /// Columns of the input that come before the language embedding.
    before_language: i64,
}

/// Shape of an [`Mlp`].
pub(crate) struct MlpSpec<'a> {
    pub(crate) heads: Option<i64>,
    /// Width of the input before and after the language embedding.
    pub(crate) input: [i64; 2],
    pub(crate) task_dim: i64,
    pub(crate) hidden: &'a [i64],
    pub(crate) output: i64,
    /// SimNorm with groups of this size ends the network; otherwise a plain linear layer does.
    pub(crate) simnorm: Option<i64>,
}

/// A named tensor of a network: views that make it up, side by side on the last axis.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) parts: Vec<Tensor>,
}

impl Field {
    /// The tensor, assembled.
    pub(crate) fn value(&self) -> Tensor {
        no_grad(|| Tensor::cat(&self.parts, -1)).detach()
    }

    /// Its gradient, assembled.
    pub(crate) fn grad(&self) -> Tensor {
        no_grad(|| Tensor::cat(&self.parts.iter().map(Tensor::grad).collect::<Vec<_>>(), -1))
    }

    /// Shape of the assembled tensor.
    pub(crate) fn size(&self) -> Vec<i64> {
        let mut size = self.parts[0].size();
        if let Some(last) = size.last_mut() {
            *last = self.parts.iter().map(|p| p.size()[p.dim() - 1]).sum();
        }
        size
    }

    /// Overwrites the tensor.
    pub(crate) fn set(&self, value: &Tensor) {
        no_grad(|| {
            let mut from = 0;
            for part in &self.parts {
                let columns = part.size()[part.dim() - 1];
                part.detach().copy_(&value.narrow(-1, from, columns));
                from += columns;
            }
        });
    }
}

/// The tasks that rows belong to: row `r` has task `index[(r / repeat) % len(index)]` of `embeddings`.
#[derive(Debug)]
pub(crate) struct Tasks {
    /// `[G, T]`; absent without language input.
    pub(crate) embeddings: Option<Tensor>,
    /// `[len]`, i64.
    pub(crate) index: Tensor,
    pub(crate) repeat: i64,
}

/// A network with the language part of its first layer computed.
pub(crate) struct Conditioned<'a> {
    mlp: &'a Mlp,
    table: Option<Tensor>,
    tasks: &'a Tasks,
}

impl Mlp {
    pub(crate) fn new(arena: &mut Arena, spec: &MlpSpec) -> Self {
        let mut take = |shape: &[i64]| arena.take(&spec.heads.iter().chain(shape).copied().collect::<Vec<_>>());
        let mut layers = Vec::new();
        let mut width = spec.input[0] + spec.input[1];
        let last = spec.hidden.len();
        for (i, &out) in spec.hidden.iter().chain([&spec.output]).enumerate() {
            let activation = match spec.simnorm {
                _ if i < last => Activation::Mish,
                Some(group) => Activation::SimNorm(group),
                None => Activation::Identity,
            };
            layers.push(Layer {
                weight: take(&[out, width]),
                language: (i == 0 && spec.task_dim > 0).then(|| take(&[out, spec.task_dim])),
                bias: take(&[out]),
                norm: (activation != Activation::Identity).then(|| Norm { weight: take(&[out]), bias: take(&[out]) }),
                activation,
            });
            width = out;
        }
        Self { layers, heads: spec.heads, before_language: spec.input[0] }
    }

    /// Truncated normal weights (std 0.02), biases 0, norms the identity; `zero_last` zeroes the last weights.
    pub(crate) fn init(&self, noise: &mut dyn super::Noise, zero_last: bool) {
        no_grad(|| {
            for (i, layer) in self.layers.iter().enumerate() {
                let zero = zero_last && i + 1 == self.layers.len();
                for weight in std::iter::once(&layer.weight).chain(&layer.language) {
                    let draws = noise.normal(&weight.size(), weight.device());
                    // The cut at +-2 is a hundred standard deviations away.
                    weight.detach().copy_(&(draws * if zero { 0.0 } else { INIT_STD }));
                }
                let _ = layer.bias.detach().zero_();
                if let Some(norm) = &layer.norm {
                    let _ = norm.weight.detach().fill_(1.0);
                    let _ = norm.bias.detach().zero_();
                }
            }
        });
    }

    /// The network for rows of these tasks.
    pub(crate) fn given<'a>(&'a self, tasks: &'a Tasks) -> Conditioned<'a> {
        let table = match (&self.layers[0].language, &tasks.embeddings) {
            (Some(w), Some(g)) => Some(g.matmul(&w.transpose(-1, -2))), // [q?, G, out]
            _ => None,
        };
        Conditioned { mlp: self, table, tasks }
    }

    /// The same network, sharing memory, through which no gradient reaches the weights.
    pub(crate) fn frozen(&self) -> Self {
        self.map(Tensor::detach)
    }

    /// The same network with every matrix converted; biases and norms stay in float32.
    pub(crate) fn with_kind(&self, kind: tch::Kind) -> Self {
        let mut converted = self.frozen();
        for layer in &mut converted.layers {
            layer.weight = layer.weight.to_kind(kind);
        }
        converted
    }

    /// Two members of an ensemble without gradients (one, if both are the same).
    pub(crate) fn members(&self, (a, b): (i64, i64)) -> Self {
        let (low, high) = (a.min(b), a.max(b));
        let mut pair = self.map(|t| t.detach().slice(0, low, high + 1, (high - low).max(1)));
        pair.heads = Some(if low == high { 1 } else { 2 });
        pair
    }

    fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Self {
        let layers = self
            .layers
            .iter()
            .map(|l| Layer {
                weight: f(&l.weight),
                language: l.language.as_ref().map(&f),
                bias: f(&l.bias),
                norm: l.norm.as_ref().map(|n| Norm { weight: f(&n.weight), bias: f(&n.bias) }),
                activation: l.activation,
            })
            .collect();
        Self { layers, heads: self.heads, before_language: self.before_language }
    }

    /// Every tensor under the name it has in files: `PREFIX.LAYER.weight`, members as `PREFIX.MEMBER.LAYER.weight`.
    pub(crate) fn fields(&self, prefix: &str) -> Vec<Field> {
        let mut fields = Vec::new();
        for head in 0..self.heads.unwrap_or(1) {
            let view = |t: &Tensor| if self.heads.is_some() { select_leaf(t, head) } else { t.shallow_clone() };
            for (i, layer) in self.layers.iter().enumerate() {
                let name = |field: &str| match self.heads {
                    Some(_) => format!("{prefix}.{head}.{i}.{field}"),
                    None => format!("{prefix}.{i}.{field}"),
                };
                let weight = view(&layer.weight);
                let parts = match &layer.language {
                    Some(language) => {
                        let columns = weight.size()[1];
                        let (before, after) = (0..self.before_language, self.before_language..columns);
                        let mut parts = vec![columns_leaf(&weight, before), view(language)];
                        if !after.is_empty() {
                            parts.push(columns_leaf(&weight, after));
                        }
                        parts
                    }
                    None => vec![weight],
                };
                fields.push(Field { name: name("weight"), parts });
                fields.push(Field { name: name("bias"), parts: vec![view(&layer.bias)] });
                if let Some(norm) = &layer.norm {
                    fields.push(Field { name: name("ln.weight"), parts: vec![view(&norm.weight)] });
                    fields.push(Field { name: name("ln.bias"), parts: vec![view(&norm.bias)] });
                }
            }
        }
        fields
    }
}

/// Standard deviation of initial weights.
const INIT_STD: f64 = 0.02;

/// A view of a parameter whose `.grad` is the same view of the parameter's.
fn view_leaf(t: &Tensor, view: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let mut part = no_grad(|| view(t)).detach();
    let grad = t.grad();
    if grad.defined() {
        kernels::bind_grad(&mut part, &view(&grad));
    }
    part
}

fn select_leaf(t: &Tensor, head: i64) -> Tensor {
    view_leaf(t, |t| t.select(0, head))
}

fn columns_leaf(t: &Tensor, columns: Range<i64>) -> Tensor {
    view_leaf(t, |t| t.narrow(1, columns.start, columns.end - columns.start))
}

impl Conditioned<'_> {
    /// `[.., in]` to `[q?, .., out]`; the input's columns may come in two parts.
    pub(crate) fn forward(&self, x1: &Tensor, x2: Option<&Tensor>) -> Tensor {
        let term =
            self.table.as_ref().map(|table| RowTerm { table, index: &self.tasks.index, repeat: self.tasks.repeat });
        self.mlp.run(Some(x1), x2, term.as_ref())
    }

    /// As [`Self::forward`] where `shared` `[E, in1]` is one first part for each task row, and `x2` `[E * repeat, in2]`
    /// the second part of every row.
    pub(crate) fn forward_shared(&self, shared: &Tensor, x2: Option<&Tensor>) -> Tensor {
        let first = &self.mlp.layers[0];
        let columns = first.weight.narrow(-1, 0, shared.size()[1]);
        let mut table = shared.matmul(&columns.transpose(-1, -2)).to_kind(tch::Kind::Float); // [q?, E, out]
        if let Some(language) = &self.table {
            table += language.index_select(-2, &self.tasks.index);
        }
        let index = Tensor::arange(shared.size()[0], (tch::Kind::Int64, shared.device()));
        self.mlp.run(None, x2, Some(&RowTerm { table: &table, index: &index, repeat: self.tasks.repeat }))
    }
}

impl Mlp {
    fn run(&self, x1: Option<&Tensor>, x2: Option<&Tensor>, term: Option<&RowTerm>) -> Tensor {
        let mut x = self.layers[0].forward(x1, x2, term, false);
        for layer in &self.layers[1..] {
            x = layer.forward(Some(&x), None, None, self.heads.is_some());
        }
        x
    }
}

impl Layer {
    fn forward(&self, x1: Option<&Tensor>, x2: Option<&Tensor>, term: Option<&RowTerm>, per_head: bool) -> Tensor {
        let args = LayerArgs {
            weight: &self.weight,
            bias: &self.bias,
            norm: self.norm.as_ref().map(|n| (&n.weight, &n.bias)),
            activation: self.activation,
            per_head,
        };
        kernels::layer(x1, x2, &args, term)
    }
}
