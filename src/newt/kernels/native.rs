//! Calls into the C++ kernels of `cpu/`.
#![expect(unsafe_code, reason = "the fused CPU kernels are C++ functions")]

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use super::{Activation, AdamArgs, AdamBuffers, LayerArgs, RowTerm};

unsafe extern "C" {
    fn newt_last_error() -> *const std::ffi::c_char;
    fn newt_bind_grad(param: *mut C_tensor, grad: *const C_tensor);
    fn newt_layer(
        x1: *const C_tensor,
        x2: *const C_tensor,
        w: *const C_tensor,
        b: *const C_tensor,
        gamma: *const C_tensor,
        beta: *const C_tensor,
        table: *const C_tensor,
        index: *const C_tensor,
        repeat: i64,
        act: i64,
        group: i64,
        per_head: bool,
    ) -> *mut C_tensor;
    fn newt_rows_bf16(
        h: *const C_tensor,
        b: *const C_tensor,
        gamma: *const C_tensor,
        beta: *const C_tensor,
        table: *const C_tensor,
        index: *const C_tensor,
        repeat: i64,
        act: i64,
        group: i64,
    ) -> *mut C_tensor;
    fn newt_cross_entropy(
        logits: *const C_tensor,
        target: *const C_tensor,
        weight: *const C_tensor,
        low: f64,
        high: f64,
    ) -> *mut C_tensor;
    fn newt_decode(logits: *const C_tensor, low: f64, high: f64) -> *mut C_tensor;
    fn newt_adam(
        p: *mut C_tensor,
        g: *mut C_tensor,
        m: *mut C_tensor,
        v: *mut C_tensor,
        clip: *const C_tensor,
        lr: f64,
        eps: f64,
        beta1: f64,
        beta2: f64,
        step: i64,
    );
    fn newt_normal(key: u64, counter: u64, n: i64, out: *mut f32);
}

fn ptr(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), Tensor::as_ptr)
}

/// Takes ownership of a tensor that C++ made.
fn own(tensor: *mut C_tensor) -> Tensor {
    if tensor.is_null() {
        // SAFETY: the message is a thread-local string that lives until the next failing call of this thread.
        let message = unsafe { std::ffi::CStr::from_ptr(newt_last_error()) }.to_string_lossy();
        panic!("a kernel got tensors of the wrong kind or shape: {message}");
    }
    // SAFETY: the pointer comes from `new Tensor` and is owned by nobody else.
    unsafe { Tensor::from_ptr(tensor) }
}

/// Makes `grad` the gradient of the leaf `param`: backward passes accumulate into it.
pub(crate) fn bind_grad(param: &mut Tensor, grad: &Tensor) {
    // SAFETY: both pointers are live tensors.
    unsafe { newt_bind_grad(param.as_mut_ptr(), grad.as_ptr()) }
}

/// Fills `out` with standard normal draws `counter..` of the stream `key`.
pub(crate) fn fill_normal(key: u64, counter: u64, out: &mut [f32]) {
    // SAFETY: C++ writes `out.len()` floats.
    unsafe { newt_normal(key, counter, out.len() as i64, out.as_mut_ptr()) }
}

fn activation(activation: Activation) -> (i64, i64) {
    match activation {
        Activation::Identity => (0, 1),
        Activation::Mish => (1, 1),
        Activation::SimNorm(group) => (2, group),
    }
}

pub(super) fn layer(x1: Option<&Tensor>, x2: Option<&Tensor>, args: &LayerArgs, term: Option<&RowTerm>) -> Tensor {
    let (act, group) = activation(args.activation);
    // SAFETY: all pointers are live tensors or null where C++ takes null.
    own(unsafe {
        newt_layer(
            ptr(x1),
            ptr(x2),
            args.weight.as_ptr(),
            args.bias.as_ptr(),
            ptr(args.norm.map(|n| n.0)),
            ptr(args.norm.map(|n| n.1)),
            ptr(term.map(|t| t.table)),
            ptr(term.map(|t| t.index)),
            term.map_or(1, |t| t.repeat),
            act,
            group,
            args.per_head,
        )
    })
}

/// The layer with bfloat16 weights and rows; everything after the product is computed in float32. No gradients.
pub(super) fn layer_bf16(x1: Option<&Tensor>, x2: Option<&Tensor>, args: &LayerArgs, term: Option<&RowTerm>) -> Tensor {
    let (act, group) = activation(args.activation);
    let h = super::composed::product(x1, x2, args.weight, args.per_head);
    let table = term.map(|t| t.table.to_kind(Kind::Float));
    // SAFETY: all pointers are live tensors or null where C++ takes null.
    own(unsafe {
        newt_rows_bf16(
            h.as_ptr(),
            args.bias.as_ptr(),
            ptr(args.norm.map(|n| n.0)),
            ptr(args.norm.map(|n| n.1)),
            ptr(table.as_ref()),
            ptr(term.map(|t| t.index)),
            term.map_or(1, |t| t.repeat),
            act,
            group,
        )
    })
}

pub(super) fn cross_entropy(logits: &Tensor, target: &Tensor, weight: &Tensor, low: f64, high: f64) -> Tensor {
    // SAFETY: all pointers are live tensors.
    own(unsafe { newt_cross_entropy(logits.as_ptr(), target.as_ptr(), weight.as_ptr(), low, high) })
}

pub(super) fn decode(logits: &Tensor, low: f64, high: f64) -> Tensor {
    // SAFETY: the pointer is a live tensor.
    own(unsafe { newt_decode(logits.as_ptr(), low, high) })
}

pub(super) fn adam(mut b: AdamBuffers, clip: &Tensor, args: &AdamArgs) {
    let n = b.param.numel();
    assert!([&b.param, &b.grad, &b.first, &b.second].iter().all(|t| t.numel() == n && t.is_contiguous()));
    let (beta1, beta2) = args.betas;
    // SAFETY: all four are contiguous float32 buffers of one length, and `clip` is a float32 scalar.
    unsafe {
        newt_adam(
            b.param.as_mut_ptr(),
            b.grad.as_mut_ptr(),
            b.first.as_mut_ptr(),
            b.second.as_mut_ptr(),
            clip.as_ptr(),
            args.lr,
            args.eps,
            beta1,
            beta2,
            args.step,
        );
    }
}
