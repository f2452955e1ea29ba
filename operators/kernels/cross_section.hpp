// Standardising, scaling and projecting the values of each day's universe.
//
// Like the numpy reference: values are moved to their midpoint and scaled by a power of two before
// anything is squared, sums do not depend on the order of the symbols, and a day of equal values is
// found by comparison.
#pragma once

#include <algorithm>

#include "call.hpp"
#include "rank.hpp"
#include "totals.hpp"
#include "vector_math.hpp"

namespace alphamine {

// The present values of one day as doubles, NaN elsewhere, with their extremes.
template <class T>
struct DayValues {
    const double* cells;
    Index stride;
    int bits;  // of the number of columns
    double count, low, high;

    double peak() const { return std::max(std::fabs(low), std::fabs(high)); }

    // Sum of get(cell), which is at most 1 in magnitude and NaN for missing cells.
    template <class Get>
    double total(Get get) const {
        Total<T> sum(bits);
        for (Index n = 0; n < stride; n += kLanes<double>) {
            const Vec<double> term = get(load(cells + n));
            sum.add(only(term == term, term));
        }
        return sum.value();
    }
};

template <class T>
inline DayValues<T> measure_day(const double* cells, Index stride) {
    Vec<double> low = splat(kInf<double>), high = splat(-kInf<double>);
    Mask<double> negative{};
    for (Index n = 0; n < stride; n += kLanes<double>) {
        const Vec<double> value = load(cells + n);
        low = lower(value, low);
        high = higher(value, high);
        negative += value == value;
    }
    DayValues<T> day{cells, stride, bit_length(stride), 0.0, low[0], high[0]};
    for (int l = 0; l < kLanes<double>; ++l) {
        day.low = std::min<double>(day.low, low[l]);
        day.high = std::max<double>(day.high, high[l]);
        day.count -= static_cast<double>(negative[l]);
    }
    return day;
}

// Mean and deviations of a day in units of `up`, a power of two near half the range of its values.
template <class T>
struct DayMoments {
    explicit DayMoments(const DayValues<T>& day)
        : day(day), varies(day.high > day.low), level(day.peak()) {
        middle = day.high * level.down * 0.5 + day.low * level.down * 0.5;
        const PowerOfTwo range((day.high * level.down - day.low * level.down) * 0.5);
        stretch = range.down;
        shrink = range.up;
        offset = day.total([&](Vec<double> x) { return moved(x); }) / std::max(day.count, 1.0);
    }

    Vec<double> moved(Vec<double> x) const { return (x * level.down - middle) * stretch; }
    Vec<double> deviation(Vec<double> x) const { return moved(x) - offset; }

    // Sum of squared deviations; at most 4 each, so that a quarter is added up.
    double squares() const {
        if (!varies) return 0.0;
        return 4.0 * day.total([&](Vec<double> x) {
            const Vec<double> half = deviation(x) * 0.5;
            return half * half;
        });
    }

    // Standard deviation (ddof 1) in the same units; NaN for fewer than two values.
    double std() const {
        return day.count >= 2.0 ? std::sqrt(squares() / (day.count - 1.0)) : kNaN<double>;
    }

    // From the units of deviations to those of the values.
    Vec<double> restore(Vec<double> v) const { return v * shrink * level.up; }
    Vec<double> value_at(Vec<double> deviation) const {
        return (middle + (offset + deviation) * shrink) * level.up;
    }

    DayValues<T> day;
    bool varies;
    PowerOfTwo level;
    double middle, stretch, shrink, offset;
};

// v / divisor for all cells of a day: one division for float storage, whose rounding hides it.
template <class T>
struct Divide {
    explicit Divide(double divisor) : divisor(divisor), inverse(1.0 / divisor) {}
    Vec<double> operator()(Vec<double> v) const {
        return sizeof(T) == 4 ? v * inverse : v / divisor;
    }
    double divisor, inverse;
};

// Cells of a day as the universe lets them be seen.
template <class T>
inline void see(const T* x, const T* inside, Index stride, double* cells) {
    for (Index n = 0; n < stride; n += kLanes<double>)
        store(cells + n, load_wide(x + n) + load_wide(inside + n));
}

// out = f(cell) for a day.
template <class T, class F>
inline void write_day(T* out, const DayValues<T>& day, F f) {
    for (Index n = 0; n < day.stride; n += kLanes<double>)
        store_narrow(out + n, f(load(day.cells + n)));
}

// Runs body(day, out) over the days of a call with one input.
template <class T, class Body>
inline void for_days(const Call<T>& s, Body body) {
    const Index stride = s.shape.stride;
    double* cells = s.arena->template take<double>(stride);
    for (Index t = 0; t < s.shape.rows; ++t) {
        see(s.input(0) + t * s.stride[0], s.inside + t * stride, stride, cells);
        body(measure_day<T>(cells, stride), s.out + t * stride);
    }
}

template <class T>
inline void write_zscores(const DayValues<T>& day, T* out) {
    const DayMoments<T> m(day);
    if (!m.varies) return clear_row(out, day.stride);
    const Divide<T> by_std(m.std());
    write_day(out, day, [&](Vec<double> x) { return by_std(m.deviation(x)); });
}

template <class T>
void zscore(const Call<T>& s) {
    for_days(s, [](const DayValues<T>& day, T* out) { write_zscores(day, out); });
}

// Values divided so that their magnitudes add up to params[0].
template <class T>
void scale(const Call<T>& s) {
    for_days(s, [&](const DayValues<T>& day, T* out) {
        const double down = PowerOfTwo(day.peak()).down;
        const double gross = day.total([&](Vec<double> x) { return magnitude<double>(x * down); });
        if (!(gross > 0.0)) return clear_row(out, day.stride);
        const Divide<T> by_gross(gross);
        write_day(out, day, [&](Vec<double> x) { return by_gross(x * down) * s.params[0]; });
    });
}

// Deviations from the mean, by choice in standard deviations, by choice limited.
template <class T>
void normalize(const Call<T>& s) {
    const bool use_std = s.params[0] != 0.0;
    const Vec<double> limit = splat(s.params[1]);
    for_days(s, [&](const DayValues<T>& day, T* out) {
        const DayMoments<T> m(day);
        if (use_std && !m.varies) return clear_row(out, day.stride);
        const Divide<T> by_std(use_std ? m.std() : 1.0);
        write_day(out, day, [&](Vec<double> x) {
            const Vec<double> v = use_std ? by_std(m.deviation(x)) : m.restore(m.deviation(x));
            return s.params[1] > 0.0 ? lower(limit, higher(-limit, v)) : v;
        });
    });
}

template <class T>
void winsorize(const Call<T>& s) {
    for_days(s, [&](const DayValues<T>& day, T* out) {
        const DayMoments<T> m(day);
        const Vec<double> reach = splat(s.params[0] * m.std());
        const Vec<double> above = m.value_at(reach), below = m.value_at(-reach);
        write_day(out, day, [&](Vec<double> x) {
            const Vec<double> d = m.deviation(x);
            return select(d > reach, above, select(d < -reach, below, x));
        });
    });
}

// Values limited in magnitude to a share of the day's sum of magnitudes.
template <class T>
void truncate(const Call<T>& s) {
    for_days(s, [&](const DayValues<T>& day, T* out) {
        const PowerOfTwo unit(day.peak());
        const double gross =
            day.total([&](Vec<double> x) { return magnitude<double>(x * unit.down); });
        const Vec<double> limit = splat(gross * s.params[0] * unit.up);
        write_day(out, day, [&](Vec<double> x) {
            return select(x > limit, limit, select(x < -limit, -limit, x));
        });
    });
}

// Moved so that no value is below 0 (params[0] == 0, "long") or above 0 ("short").
template <class T>
void one_side(const Call<T>& s) {
    for_days(s, [&](const DayValues<T>& day, T* out) {
        const double shift =
            s.params[0] == 0.0 ? std::min(day.low, 0.0) : std::max(day.high, 0.0);
        write_day(out, day, [&](Vec<double> x) { return x - shift; });
    });
}

// Places between the extremes, 0 to 1, minus a constant.
template <class T>
inline void write_places(const DayValues<T>& day, double constant, T* out) {
    if (!(day.high > day.low)) return clear_row(out, day.stride);
    const double down = PowerOfTwo(day.peak()).down, low = day.low * down;
    const double range = day.high * down - low;
    write_day(out, day, [&](Vec<double> x) { return (x * down - low) / range - constant; });
}

template <class T>
void scale_down(const Call<T>& s) {
    for_days(s, [&](const DayValues<T>& day, T* out) { write_places(day, s.params[0], out); });
}

// Day t of both inputs; a cell without both has neither.
template <class T>
inline void see_pair(const Call<T>& s, Index t, double* a, double* b) {
    const Index stride = s.shape.stride;
    const T* inside = s.inside + t * stride;
    see(s.input(0) + t * s.stride[0], inside, stride, a);
    see(s.input(1) + t * s.stride[1], inside, stride, b);
    const Vec<double> none = splat(kNaN<double>);
    for (Index n = 0; n < stride; n += kLanes<double>) {
        const Vec<double> x = load(a + n), y = load(b + n);
        const WideMask both = (x == x) & (y == y);
        store(a + n, select(both, x, none));
        store(b + n, select(both, y, none));
    }
}

// Runs body(a, b, out) over the days of a call with two inputs.
template <class T, class Body>
inline void for_paired_days(const Call<T>& s, Body body) {
    const Index stride = s.shape.stride;
    double* a = s.arena->template take<double>(stride);
    double* b = s.arena->template take<double>(stride);
    for (Index t = 0; t < s.shape.rows; ++t) {
        see_pair(s, t, a, b);
        body(measure_day<T>(a, stride), measure_day<T>(b, stride), s.out + t * stride);
    }
}

// Sum over the day of f(a) * g(b), each at most 1 in magnitude; in two folds for either storage,
// since what is projected away may be all there is.
template <class T, class F, class G>
inline double product_total(const DayValues<T>& a, const DayValues<T>& b, F f, G g) {
    Total<double> sum(a.bits);
    for (Index n = 0; n < a.stride; n += kLanes<double>) {
        const Vec<double> term = f(load(a.cells + n)) * g(load(b.cells + n));
        sum.add(only(term == term, term));
    }
    return sum.value();
}

// out = f(cell of a, cell of b) for a day.
template <class T, class F>
inline void write_pairs(T* out, const DayValues<T>& a, const DayValues<T>& b, F f) {
    for (Index n = 0; n < a.stride; n += kLanes<double>)
        store_narrow(out + n, f(load(a.cells + n), load(b.cells + n)));
}

// Line of y on x with intercept: emit(moments of y, explained deviation, deviation of y).
template <class T, class Emit>
inline void regression(const Call<T>& s, Emit emit) {
    for_paired_days(s, [&](const DayValues<T>& y, const DayValues<T>& x, T* out) {
        const DayMoments<T> a(y), b(x);
        if (!b.varies) return clear_row(out, y.stride);
        const double shared = product_total(
            y, x, [&](Vec<double> v) { return a.deviation(v) * 0.5; },
            [&](Vec<double> v) { return b.deviation(v) * 0.5; });
        const double slope = 4.0 * shared / b.squares();
        write_pairs(out, y, x, [&](Vec<double> u, Vec<double> v) {
            return emit(a, b.deviation(v) * slope, a.deviation(u));
        });
    });
}

template <class T>
void regression_proj(const Call<T>& s) {
    regression(s, [](const DayMoments<T>& y, Vec<double> fit, Vec<double>) {
        return y.value_at(fit);
    });
}

template <class T>
void regression_neut(const Call<T>& s) {
    regression(s, [](const DayMoments<T>& y, Vec<double> fit, Vec<double> deviation) {
        return y.restore(deviation - fit);
    });
}

// Projection of x on y: emit(x, its part along y).
template <class T, class Emit>
inline void projection(const Call<T>& s, Emit emit) {
    for_paired_days(s, [&](const DayValues<T>& x, const DayValues<T>& y, T* out) {
        if (!(y.peak() > 0.0) || y.count == 0.0) return clear_row(out, x.stride);
        const PowerOfTwo a(x.peak()), b(y.peak());
        const auto left = [&](Vec<double> v) { return v * a.down; };
        const auto right = [&](Vec<double> v) { return v * b.down; };
        const double weight =
            product_total(x, y, left, right) / product_total(y, y, right, right);
        write_pairs(out, x, y, [&](Vec<double> u, Vec<double> v) {
            return emit(u, right(v) * weight * a.up);
        });
    });
}

template <class T>
void vector_proj(const Call<T>& s) {
    projection(s, [](Vec<double>, Vec<double> along) { return along; });
}

template <class T>
void vector_neut(const Call<T>& s) {
    projection(s, [](Vec<double> x, Vec<double> along) { return x - along; });
}

}  // namespace alphamine
