// All of the kernels as one translation unit: libtorch's headers take far longer to compile than what is ours.

#include "adam.cpp"
#include "layer.cpp"
#include "libtorch.cpp"
#include "memory.cpp"
#include "normal.cpp"
#include "regression.cpp"
#include "rows.cpp"
