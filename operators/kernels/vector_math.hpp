// exp, log and what is made of them, on registers of doubles; a few units in the last place.
#pragma once

#include "kernel.hpp"

namespace alphamine {

using Wide = Vec<double>;
using WideMask = Mask<double>;

// 1.5 * 2^52: adding it rounds to a whole number and leaves that number in the low bits.
constexpr double kRounder = 6755399441055744.0;
constexpr std::int64_t kRounderBits = 0x4338000000000000;
constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;

inline Wide select(WideMask mask, Wide a, Wide b) { return mask ? a : b; }
inline Wide select(WideMask mask, double a, Wide b) { return mask ? splat(a) : b; }

inline Wide power_of_two(WideMask exponent) {
    return reinterpret_cast<Wide>((exponent + 1023) << 52);
}

inline Wide exp_wide(Wide x) {
    x = select(x > 710.0, 710.0, select(x < -746.0, -746.0, x));
    const Wide shifted = x * 1.4426950408889634 + kRounder;
    const Wide k = shifted - kRounder;
    const Wide r = (x - k * kLn2High) - k * kLn2Low;
    // Taylor series; |r| <= 0.347, so the 14th term is below 2^-57.
    Wide p = splat(1.0 / 6227020800.0);
    for (const double c : {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                           1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5,
                           1.0, 1.0})
        p = p * r + c;
    const WideMask exponent = reinterpret_cast<WideMask>(shifted) - kRounderBits;
    const WideMask half = exponent >> 1;  // in two steps, since 2^1024 and 2^-1076 do not exist
    return select(x == x, p * power_of_two(half) * power_of_two(exponent - half), x);
}

// Natural logarithm; NaN for x <= 0.
inline Wide log_wide(Wide x) {
    const WideMask tiny = x < 2.2250738585072014e-308;
    const Wide scaled = select(tiny, x * 18014398509481984.0, x);
    const WideMask bits = reinterpret_cast<WideMask>(scaled);
    Wide m = reinterpret_cast<Wide>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
    WideMask exponent = ((bits >> 52) & 0x7ff) - 1023 - (tiny & 54);
    const WideMask big = m > 1.4142135623730951;
    m = select(big, m * 0.5, m);
    exponent -= big;
    const Wide e = reinterpret_cast<Wide>(exponent + kRounderBits) - kRounder;
    // log(m) = 2 artanh(s); s <= 0.172.
    const Wide f = m - 1.0, s = f / (m + 1.0), z = s * s;
    Wide p = splat(1.0 / 21);
    for (int k = 9; k > 0; --k) p = p * z + 1.0 / (2 * k + 1);
    const Wide log_m = 2.0 * s + 2.0 * s * z * p;
    const Wide result = e * kLn2High + (e * kLn2Low + log_m);
    return select(x > 0.0, select(x == kInf<double>, x, result), splat(kNaN<double>));
}

// The same in single precision, a quarter of the time: within 3e-7 of itself, near 1 as well.
inline Vec<float> log_of_cells(Vec<float> x) {
    using V = Vec<float>;
    using M = Mask<float>;
    const M tiny = x < 1.17549435e-38f;
    const M bits = reinterpret_cast<M>(tiny ? x * 16777216.0f : x);
    V m = reinterpret_cast<V>((bits & 0x7fffff) | 0x3f800000);
    M exponent = ((bits >> 23) & 0xff) - 127 - (tiny & 24);
    const M big = m > 1.41421356f;
    m = big ? m * 0.5f : m;
    exponent -= big;
    const V e = __builtin_convertvector(exponent, V);
    const V f = m - 1.0f, s = f / (m + 1.0f), z = s * s;
    const V p = (((1.0f / 9) * z + 1.0f / 7) * z + 1.0f / 5) * z + 1.0f / 3;
    const V log_m = 2.0f * s + 2.0f * s * z * p;
    // ln 2 in two parts, the first of so few digits that its multiples are exact.
    const V result = e * 0.693359375f + (e * -2.12194440e-4f + log_m);
    return x > 0.0f ? (x == kInf<float> ? x : result) : splat(kNaN<float>);
}

inline Wide log_of_cells(Wide x) { return log_wide(x); }

// log(1 + x); NaN for x <= -1. The quotient undoes the rounding of 1 + x.
inline Wide log1p_wide(Wide x) {
    const Wide u = 1.0 + x, d = u - 1.0;
    return select(d == 0.0, x, log_wide(u) * (x / d));
}

inline Wide tanh_wide(Wide x) {
    const Wide a = magnitude<double>(x), z = x * x;
    const Wide shrunk = exp_wide(-2.0 * a);
    const Wide far = (1.0 - shrunk) / (1.0 + shrunk);
    // Near 0 the difference above would lose digits.
    const Wide near =
        x * (1.0 + z * (-1.0 / 3 + z * (2.0 / 15 + z * (-17.0 / 315 + z * (62.0 / 2835)))));
    return select(a < 0.0625, near, select(x < 0.0, -far, far));
}

inline Wide sigmoid_wide(Wide x) {
    const Wide shrunk = exp_wide(-magnitude<double>(x));
    return select(x >= 0.0, 1.0, shrunk) / (1.0 + shrunk);
}

inline WideMask whole(Wide y) {
    return ((y + kRounder) - kRounder == y) | (magnitude<double>(y) >= 2251799813685248.0);
}

// |x|^y for finite y.
inline Wide magnitude_power(Wide x, Wide y) {
    const Wide a = magnitude<double>(x);
    const Wide at_zero = select(y > 0.0, 0.0, splat(kInf<double>));
    return select(y == 0.0, 1.0, select(a == 0.0, at_zero, exp_wide(y * log_wide(a))));
}

// x^y; NaN for a fractional power of a negative.
inline Wide power_wide(Wide x, Wide y) {
    const Wide size = magnitude_power(x, y);
    const WideMask odd = whole(y) & ~whole(y * 0.5);
    const Wide negative = select(whole(y), select(odd, -size, size), splat(kNaN<double>));
    return select(x < 0.0, negative, size);
}

}  // namespace alphamine
