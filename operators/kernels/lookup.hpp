// Counting, filling and looking up single values in windows.
#pragma once

#include "moments.hpp"

namespace alphamine {

// Runs body(today, window) for every register, where window(step) runs step(value, age) from today
// backwards until step gives true; rows before the series are left out.
template <class T, class Body>
inline void look_back(const Call<T>& s, Body body) {
    for (Index t = s.first; t < s.shape.rows; ++t) {
        const Index reach = std::min<Index>(t, s.window - 1);
        for (Index c = 0; c < s.shape.columns; c += kLanes<T>) {
            const Index at = t * s.shape.stride + c;
            const T* x = s.input(0) + at;
            const auto window = [&](auto step) {
                for (Index age = 0; age <= reach; ++age)
                    if (step(load(x - age * s.shape.stride), age)) return;
            };
            store(s.out + at, body(load(x), window, t));
        }
    }
}

// The k-th most recent present value.
template <class T>
inline void kth_of_window(const Call<T>& s, T k) {
    look_back(s, [&](Vec<T>, auto window, Index) {
        Vec<T> found = splat(kNaN<T>), seen{};
        window([&](Vec<T> v, Index) {
            const Mask<T> here = v == v;
            seen += only(here, splat(T(1)));
            found = (here & (seen == k)) ? v : found;
            return !any(seen < k);
        });
        return found;
    });
}

template <class T>
void kth_element(const Call<T>& s) {
    kth_of_window(s, T(s.params[0]));
}

template <class T>
void ts_backfill(const Call<T>& s) {
    kth_of_window(s, T(1));
}

template <class T>
void ts_count_nans(const Call<T>& s) {
    look_back(s, [&](Vec<T>, auto window, Index t) {
        Vec<T> missing{};
        window([&](Vec<T> v, Index) {
            missing += only(v != v, splat(T(1)));
            return false;
        });
        return t < s.window - 1 ? splat(kNaN<T>) : missing;
    });
}

// Most recent value that differs from today's.
template <class T>
void last_diff_value(const Call<T>& s) {
    look_back(s, [&](Vec<T> today, auto window, Index) {
        Vec<T> found = splat(kNaN<T>);
        Mask<T> open = today == today;
        window([&](Vec<T> v, Index) {
            const Mask<T> other = open & (v == v) & (v != today);
            found = other ? v : found;
            open &= ~other;
            return !any(open);
        });
        return found;
    });
}

// Days since x took today's value; missing if it had no other in the window.
template <class T>
void days_from_last_change(const Call<T>& s) {
    look_back(s, [&](Vec<T> today, auto window, Index) {
        Vec<T> first{};
        Mask<T> open = today == today, changed{};
        window([&](Vec<T> v, Index age) {
            first = (open & (v == today)) ? splat(T(age)) : first;
            const Mask<T> other = open & (v == v) & (v != today);
            changed |= other;
            open &= ~other;
            return !any(open);
        });
        return changed ? first : splat(kNaN<T>);
    });
}

// Number of days on which the condition is true.
template <class T>
void ts_count(const Call<T>& s) {
    double* sums = s.arena->template take<double>(block_cells(s.window));
    for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
        const auto truth = [&](Index i) {
            return only(load_wide(block.values + i) != 0.0, splat(1.0));
        };
        window_sums(truth, sums, block.rows, s.window);
        write_windows(s, block, first, c, s.min_periods,
                      [&](Index i, const Count&, Index) { return load(sums + i); });
    });
}

// Sum of x over the days on which the condition is true.
template <class T>
void ts_sum_if(const Call<T>& s) {
    double* sums = s.arena->template take<double>(block_cells(s.window));
    for_blocks_of_pairs(s, 0, [&](const Block<T>& x, const Block<T>& condition, Index first, Index c) {
        const auto chosen = [&](Index i) {
            return only(load_wide(condition.values + i) != 0.0, load_wide(x.values + i));
        };
        window_sums(chosen, sums, x.rows, s.window);
        write_windows(s, x, first, c, s.min_periods,
                      [&](Index i, const Count&, Index) { return load(sums + i); });
    });
}

// Product of each window; mantissas and exponents apart, so only the result can overflow.
template <class T>
void ts_product(const Call<T>& s) {
    const auto split = [](Vec<double>& v, Mask<double>& exponent) {
        const Mask<double> bits = reinterpret_cast<Mask<double>>(v);
        const Mask<double> power = ((bits >> 52) & 0x7ff) - 1022;
        const Vec<double> mantissa = reinterpret_cast<Vec<double>>(
            (bits & ~(Mask<double>{} + (std::int64_t{0x7ff} << 52))) | (std::int64_t{1022} << 52));
        // Zero and denormals stay as they are: they have no exponent of their own.
        const Mask<double> normal = power > -1022;
        exponent += normal & power;
        v = normal ? mantissa : v;
    };
    const auto product_of = [&](const Block<T>& block, Index end) {
        Vec<double> product = splat(1.0);
        Mask<double> exponent{};
        for (Index j = s.window - 1; j >= 0; --j) {
            const Index i = end - j * kStrip;
            Vec<double> v = load_wide(block.values + i);
            if (block.gaps) v = load_wide(block.present + i) > 0.0 ? v : splat(1.0);
            split(v, exponent);
            product *= v;
            split(product, exponent);
        }
        for (Index l = 0; l < kPart; ++l)
            product[l] = std::ldexp(product[l], static_cast<int>(exponent[l]));
        return product;
    };
    for_blocks_of(s, [&](const Block<T>& block, Index first, Index c) {
        write_windows(s, block, first, c, s.min_periods,
                      [&](Index i, const Count&, Index) { return product_of(block, i); });
    });
}

}  // namespace alphamine
