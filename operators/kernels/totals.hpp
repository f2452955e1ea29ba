// Sums that have the same bits in whatever order their terms come.
//
// The method of Demmel and Nguyen, "Fast reproducible floating-point summation" (2013): terms are
// split so coarsely that the pieces add up exactly. One fold (about 40 bits of the largest term)
// serves float storage, two folds serve double.
#pragma once

#include "kernel.hpp"

namespace alphamine {

template <class T>
constexpr int kFolds = sizeof(T) == 4 ? 1 : 2;

inline int bit_length(Index n) { return n == 0 ? 0 : 64 - __builtin_clzll(n); }

// 2^exponent for -1022 <= exponent <= 1023.
inline double two_to(int exponent) {
    const std::uint64_t bits = static_cast<std::uint64_t>(exponent + 1023) << 52;
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

// Factors `down` and `up` = 1 / down with |peak| * down near 1, inside the normal range.
struct PowerOfTwo {
    explicit PowerOfTwo(double peak) {
        int exponent = 0;
        std::frexp(std::isfinite(peak) ? peak : 0.0, &exponent);
        exponent = exponent < -1020 ? -1020 : exponent > 1020 ? 1020 : exponent;
        down = two_to(-exponent);
        up = two_to(exponent);
    }
    double down, up;
};

// Sums up to `terms` terms of magnitude at most 1, a register at a time.
template <class T>
class Total {
public:
    explicit Total(int bits) {
        for (int f = 0; f < kFolds<T>; ++f)
            splitter_[f] = splat(1.5 * two_to(bits + 1 - f * (51 - bits)));
    }

    void add(Vec<double> rest) {
        for (int f = 0; f < kFolds<T>; ++f) {
            const Vec<double> piece = (rest + splitter_[f]) - splitter_[f];
            sum_[f] += piece;
            if (f + 1 < kFolds<T>) rest -= piece;
        }
    }

    double value() const {
        double total = 0.0;
        for (int f = 0; f < kFolds<T>; ++f) {
            double fold = 0.0;
            for (int l = 0; l < kLanes<double>; ++l) fold += sum_[f][l];
            total += fold;
        }
        return total;
    }

private:
    Vec<double> splitter_[kFolds<T>];
    Vec<double> sum_[kFolds<T>] = {};
};

}  // namespace alphamine
