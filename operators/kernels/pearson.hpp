// Pearson's correlation of a day's values with the label.
#pragma once

#include "label.hpp"

namespace alphamine {

// One side of the pairs of a day, to be moved to its mean and scaled by its largest deviation.
struct Side {
    Vec<double> low = splat(kInf<double>), high = splat(-kInf<double>), sum{};
    double mean = 0.0, down = 0.0;

    void add(Mask<double> both, Vec<double> v) {
        const Vec<double> value = or_missing(both, v);
        low = lower(value, low);
        high = higher(value, high);
        sum += only(both, v);
    }

    // Whether the values differ.
    bool settle(double pairs) {
        double least = low[0], most = high[0];
        for (int l = 1; l < kLanes<double>; ++l) {
            least = std::min<double>(least, low[l]);
            most = std::max<double>(most, high[l]);
        }
        mean = sum_of(sum) / pairs;
        down = PowerOfTwo(std::max(most - mean, mean - least)).down;
        return most > least;
    }

    Vec<double> deviation(Vec<double> v) const { return (v - mean) * down; }
};

// Pearson's correlation as the numpy reference has it: two passes, each side scaled near its largest
// deviation; NaN where a side is constant.
template <class T>
inline double correlation_by_two_passes(const T* x, const double* y, Index stride, double pairs) {
    const auto each = [&](auto body) {
        for (Index n = 0; n < stride; n += kLanes<double>) {
            const Vec<double> a = load_wide(x + n), b = load(y + n);
            body((a == a) & (b == b), a, b);
        }
    };
    Side left, right;
    each([&](Mask<double> both, Vec<double> a, Vec<double> b) {
        left.add(both, a);
        right.add(both, b);
    });
    if (!(left.settle(pairs) & right.settle(pairs))) return kNaN<double>;
    Vec<double> xx{}, yy{}, xy{};
    each([&](Mask<double> both, Vec<double> a, Vec<double> b) {
        const Vec<double> u = only(both, left.deviation(a)), v = only(both, right.deviation(b));
        xx += u * u;
        yy += v * v;
        xy += u * v;
    });
    const double corr = sum_of(xy) / std::sqrt(sum_of(xx) * sum_of(yy));
    return std::min(1.0, std::max(-1.0, corr));
}

// Share of n * sum(x^2) below which its difference from sum(x)^2 is too inaccurate.
constexpr double kLostDigits = 1e-5;

// Sums over the pairs of a day.
struct PairSums {
    Vec<double> x{}, y{}, xx{}, yy{}, xy{};
    Mask<double> negative{};

    void add(Vec<double> a, Vec<double> b) {
        const Mask<double> both = (a == a) & (b == b);
        a = only(both, a);
        b = only(both, b);
        negative += both;
        x += a;
        y += b;
        xx = product_plus(a, a, xx);
        yy = product_plus(b, b, yy);
        xy = product_plus(a, b, xy);
    }
};

// Pearson's correlation in one pass over float values, whose squares are exact in double.
inline double correlation(const float* x, const LabelDays& label, Index t, std::int64_t* pairs) {
    constexpr int L = kLanes<double>;
    const double* y = label.values + t * label.stride;
    PairSums even, odd;  // two, so that no addition waits for the one before
    for (Index n = 0; n < label.stride; n += 2 * L) {
        even.add(load_wide(x + n), load(y + n));
        odd.add(load_wide(x + n + L), load(y + n + L));
    }
    const Mask<double> negative = even.negative + odd.negative;
    *pairs = 0;
    for (int l = 0; l < L; ++l) *pairs -= negative[l];
    const double m = static_cast<double>(*pairs);
    const double a = sum_of(even.x + odd.x), b = sum_of(even.y + odd.y);
    const double aa = sum_of(even.xx + odd.xx), bb = sum_of(even.yy + odd.yy);
    const double left = m * aa - a * a, right = m * bb - b * b;
    if (left > kLostDigits * m * aa && right > kLostDigits * m * bb) {
        const double shared = m * sum_of(even.xy + odd.xy) - a * b;
        const double corr = shared / (std::sqrt(left) * std::sqrt(right));
        return std::min(1.0, std::max(-1.0, corr));
    }
    return correlation_by_two_passes(x, y, label.stride, m);
}

inline double correlation(const double* x, const LabelDays& label, Index t, std::int64_t* pairs) {
    const double* y = label.values + t * label.stride;
    Mask<double> negative{};
    for (Index n = 0; n < label.stride; n += kLanes<double>) {
        const Vec<double> a = load(x + n), b = load(y + n);
        negative += (a == a) & (b == b);
    }
    *pairs = 0;
    for (int l = 0; l < kLanes<double>; ++l) *pairs -= negative[l];
    return correlation_by_two_passes(x, y, label.stride, static_cast<double>(*pairs));
}

}  // namespace alphamine
