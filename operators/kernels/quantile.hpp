// Ranks mapped to quantiles of a distribution.
#pragma once

#include <algorithm>
#include <cmath>

#include "rank.hpp"

namespace alphamine {

inline double polynomial(const double (&c)[8], double r) {
    double value = c[0];
    for (int i = 1; i < 8; ++i) value = value * r + c[i];
    return value;
}

// Inverse of the normal distribution function for p between 1e-10 and 1 - 1e-10: algorithm AS 241
// of Wichura, Applied Statistics 37 (1988), without its far tail.
inline double normal_quantile(double p) {
    constexpr double centre[2][8] = {
        {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
         4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
         1.3314166789178437745e2, 3.3871328727963666080e0},
        {5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
         2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
         4.2313330701600911252e1, 1.0}};
    constexpr double tail[2][8] = {
        {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
         1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
         4.63033784615654529590e0, 1.42343711074968357734e0},
        {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
         1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
         2.05319162663775882187e0, 1.0}};
    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(centre[0], r) / polynomial(centre[1], r);
    }
    const double t = std::sqrt(-std::log(std::min(p, 1.0 - p))) - 1.6;
    return std::copysign(polynomial(tail[0], t) / polynomial(tail[1], t), q);
}

enum Driver { kGaussian, kCauchy, kUniform };  // as the operator's entry lists them

// Quantile at a rank in [0, 1] of n values, moved inside by 1 / n on either side.
inline double quantile_at(double rank, double n, Driver driver) {
    constexpr double pi = 3.141592653589793238463;
    const double p = 1.0 / n + rank * (1.0 - 2.0 / n);
    if (driver == kGaussian) return normal_quantile(p);
    return driver == kCauchy ? std::tan(pi * (p - 0.5)) : p - 0.5;
}

// Quantiles of the average ranks of a day, in its order. Those of untied ranks are kept for the
// counts of late, since days differ by a few names.
template <class T>
class QuantileValues {
public:
    QuantileValues(Index columns, Driver driver, Arena& arena)
        : columns_(columns), driver_(driver), values_(arena.take<T>((kKept + 1) * columns)) {}

    const T* operator()(const SortedDay& day) {
        const Index place = day.count % kKept;
        T* values = values_ + place * columns_;
        if (kept_[place] != day.count) {
            for (Index i = 0; i < day.count; ++i) values[i] = at(2.0 * i, day.count);
            kept_[place] = day.count;
        }
        return day.tied ? tied(day, values) : values;
    }

private:
    static constexpr Index kKept = 32;

    T at(double twice, Index count) const {
        const double n = static_cast<double>(count);
        return static_cast<T>(quantile_at(twice / (2.0 * (n - 1.0)), n, driver_));
    }

    const T* tied(const SortedDay& day, const T* untied) {
        T* values = values_ + kKept * columns_;
        for (Index i = 0; i < day.count; ++i) {
            const std::uint32_t twice = day.twice[i];
            if (i > 0 && twice == day.twice[i - 1])
                values[i] = values[i - 1];
            else
                values[i] = twice % 2 == 0 ? untied[twice / 2] : at(twice, day.count);
        }
        return values;
    }

    Index columns_;
    Driver driver_;
    T* values_;
    Index kept_[kKept] = {};  // counts
};

template <class T>
void quantile(const Call<T>& s) {
    const Driver driver = static_cast<Driver>(static_cast<int>(s.params[0]));
    QuantileValues<T> quantiles(s.shape.stride, driver, *s.arena);
    for_sorted_days(s.input(0), s.stride[0], s.inside, s.shape.stride, s.shape, *s.arena,
                    [&](Index t, const SortedDay& day) {
                        T* row = s.out + t * s.shape.stride;
                        clear_row(row, s.shape.stride);
                        if (day.count > 1) scatter(quantiles(day), day, row);
                    });
}

}  // namespace alphamine
