// Windows computed from their own rows alone, in two passes, like the numpy references.
#pragma once

#include "windows.hpp"

namespace alphamine {

// The windows of one register, moved to their midpoint and scaled by a power of two (both exact in
// effect): no level costs digits, no unit overflows, a constant window has deviations of exactly 0.
template <class T>
class Direct {
public:
    Direct(const Block<T>& block, Index i, int window, Vec<double> n)
        : block_(block), end_(i), window_(window) {
        high = splat(-kInf<double>);
        low = splat(kInf<double>);
        each([&](Vec<double> v, Vec<double> here) {
            high = higher(here > 0.0 ? v : high, high);
            low = lower(here > 0.0 ? v : low, low);
        });
        Mask<double> exponent =
            reinterpret_cast<Mask<double>>(higher(magnitude<double>(high), magnitude<double>(low)));
        exponent = (exponent >> 52) & 0x7ff;
        exponent = exponent < 3 ? Mask<double>{} + 3 : exponent;
        exponent = exponent > 2043 ? Mask<double>{} + 2043 : exponent;
        up = reinterpret_cast<Vec<double>>(exponent << 52);
        down = reinterpret_cast<Vec<double>>((2046 - exponent) << 52);
        middle = high * down * 0.5 + low * down * 0.5;
        Vec<double> total{};
        each([&](Vec<double> v, Vec<double> here) { total += (v * down - middle) * here; });
        offset = total / n;
    }

    // Runs body(value, present) over the window, oldest first.
    template <class Body>
    void each(Body body) const {
        for (Index j = window_ - 1; j >= 0; --j) {
            const Index i = end_ - j * kStrip;
            body(load_wide(block_.values + i),
                 block_.gaps ? load_wide(block_.present + i) : splat(1.0));
        }
    }

    Vec<double> deviation(Vec<double> v, Vec<double> here) const {
        return (v * down - middle - offset) * here;
    }
    // Scaled deviation of today's value x; NaN where it is missing.
    Vec<double> today(Vec<double> x) const { return x * down - middle - offset; }
    Mask<double> varies() const { return high > low; }
    Vec<double> mean() const { return level(offset); }
    Vec<double> level(Vec<double> moved) const {
        return higher(lower((middle + moved) * up, high), low);
    }

    // Sum of the `power`-th powers of the scaled deviations.
    Vec<double> moment(int power) const {
        Vec<double> total{};
        each([&](Vec<double> v, Vec<double> here) {
            const Vec<double> d = deviation(v, here);
            Vec<double> term = d * d;
            for (int p = 2; p < power; ++p) term *= d;
            total += term;
        });
        return only(varies(), total);
    }

    Vec<double> high, low, up, down, middle, offset;

private:
    const Block<T>& block_;
    Index end_;
    int window_;
};

// Sum of products of the scaled deviations of two windows over the same present cells.
template <class T>
inline Vec<double> cross(const Direct<T>& a, const Direct<T>& b, const Block<T>& y, Index i,
                         int window) {
    Vec<double> total{};
    Index j = i - (window - 1) * kStrip;
    a.each([&](Vec<double> v, Vec<double> here) {
        total += a.deviation(v, here) * b.deviation(load_wide(y.values + j), here);
        j += kStrip;
    });
    return only(a.varies() & b.varies(), total);
}

}  // namespace alphamine
