// Errors, and what of libtorch Rust does not reach otherwise.

#include "tensors.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <dlfcn.h>

namespace newt {

std::string& last_error() {
  thread_local std::string error;
  return error;
}

}  // namespace newt

using at::Tensor;

extern "C" {

// What went wrong in the latest call of this thread that gave a null result.
const char* newt_last_error() { return newt::last_error().c_str(); }

// Makes `grad` the gradient of the leaf `param`.
void newt_bind_grad(Tensor* param, const Tensor* grad) { param->mutable_grad() = *grad; }

void newt_allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

// The folder that libtorch was loaded from.
const char* newt_library_dir() {
  static const std::string dir = [] {
    Dl_info info;
    if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0) return std::string(".");
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
  }();
  return dir.c_str();
}

}  // extern "C"
