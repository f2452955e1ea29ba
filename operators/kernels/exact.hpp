// Sums of a window that need no particular order, because they are exact: then a running sum (add
// the newcomer, take the leaver away) has the bits that any other order gives, and a value has the
// same bits wherever the series starts and whatever stood before the window.
//
// Let every value of a block of floats that is not 0 have an exponent from `bottom` to `top`. All are
// multiples of 2^(bottom - 23) and smaller than 2^(top + 1); n of them, with n < 2^b, and all sums on
// the way are exact in double if (top - bottom) + 24 + b <= 53 (`exact_sums`). With weights up to n
// the same holds with 2 b (`exact_ramps`).
//
// Products have twice the digits and need two accumulators. `high` starts at M = 1.5 * 2^k and stays
// in [2^k, 2^(k+1)): there the doubles are the multiples of G = 2^(k-52), so that high + a b is
// rounded to a multiple of G; what the rounding takes from it, at most G/2 and a multiple of the
// products' unit u = 2^(bottom_a + bottom_b - 46), is added to `low`. (high - M) + low is always the
// exact sum, if only
// - the sum stays below 2^(k-2): k = top_a + top_b + 4 + b, and
// - low is exact: after m steps it is at most m G/2, and it must stay within 2^53 u:
//   (top_a - bottom_a) + (top_b - bottom_b) <= 55 - b - c with m <= 2^(c+1) (`exact_products`).
// The last addition rounds once: the result is the exact sum, correctly rounded, whatever M was.
//
// A block that does not qualify is summed by doubling (doubling.hpp), in an order that depends on
// the window's length alone. Every window that stands in some block that qualifies has few enough
// digits for doubling to be exact, too (for products: as a sum of two doubles, rounded once). So it
// cannot be seen in any window which of the two a block chose, and the choice may depend on all of
// the block's values.
#pragma once

#include "totals.hpp"

namespace alphamine {

// Exponents of the largest and the smallest values that are not 0: all are at least 2^bottom and
// smaller than 2^(top + 1).
struct Extent {
    int top = 0, bottom = 0;
    int range() const { return top - bottom; }
};

// Takes the extent of float values in which what is missing is 0.
class ExtentScan {
    typedef std::uint32_t Bits __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));

public:
    void add(Vec<float> values) {
        const Bits size = reinterpret_cast<Bits>(values) & 0x7fffffffu, before = size - 1;
        largest_ = size > largest_ ? size : largest_;
        smallest_ = before < smallest_ ? before : smallest_;  // 0 is the largest here
    }

    Extent extent() const {
        std::uint32_t top = 0, bottom = ~std::uint32_t{0};
        for (int l = 0; l < kLanes<float>; ++l) {
            top = std::max<std::uint32_t>(top, largest_[l]);
            bottom = std::min<std::uint32_t>(bottom, smallest_[l]);
        }
        if (top == 0) return Extent{};
        const auto exponent = [](std::uint32_t bits, int denormal) {
            return bits >> 23 ? int(bits >> 23) - 127 : denormal;
        };
        return Extent{exponent(top, -126), exponent(bottom + 1, -149)};
    }

private:
    Bits largest_{}, smallest_ = ~Bits{};
};

inline bool exact_sums(Extent x, int window) { return x.range() + 24 + bit_length(window) <= 53; }
inline bool exact_ramps(Extent x, int window) {
    return x.range() + 24 + 2 * bit_length(window) <= 53;
}
// Over a block of `rows` rows, each of which takes at most two steps.
inline bool exact_products(Extent a, Extent b, int window, Index rows) {
    return a.range() + b.range() <= 55 - bit_length(window) - bit_length(rows);
}

// The exact sum of products of floats, see above.
class ProductSum {
public:
    ProductSum(Extent a, Extent b, int window)
        : start_(splat(1.5 * two_to(a.top + b.top + 4 + bit_length(window)))), high_(start_) {}

    void add(Vec<double> a, Vec<double> b) {
#if AM_FUSED
        const Vec<double> next = fused(a, b, high_);
        low_ += fused(a, b, high_ - next);
#else
        const Vec<double> product = a * b, next = high_ + product;
        low_ += (high_ - next) + product;
#endif
        high_ = next;
    }

    void replace(Vec<double> in, Vec<double> out) {
        // in^2 - out^2 as one product: exact with the digits that a fused operation keeps.
#if AM_FUSED
        add(in - out, in + out);
#else
        add(in, in);
        add(-out, out);
#endif
    }

    Vec<double> value() const { return (high_ - start_) + low_; }

private:
    Vec<double> start_, high_, low_{};
};

}  // namespace alphamine
