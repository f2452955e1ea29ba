// One kernel call as the executor makes it: all kernels have the signature void(const Call<T>&).
#pragma once

#include <utility>

#include "kernel.hpp"

namespace alphamine {

constexpr int kInputs = 3;
constexpr int kParams = 6;

template <class T>
struct Call {
    const void* in[kInputs];
    Index stride[kInputs];  // 0 for a literal: every row is the same
    T* out;
    const T* inside;  // the universe as an additive mask
    Shape shape;
    int window;
    int min_periods;
    const double* params;
    Arena* arena;

    const T* input(std::size_t i) const { return static_cast<const T*>(in[i]); }
};

}  // namespace alphamine
