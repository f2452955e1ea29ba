// Windows of rows by doubling: the sum of w rows from two sums of w/2 rows, and so on down to sums
// of at most seven rows, which are made in registers.
//
// Each sum is made of the window's own rows in an order that depends on w alone, so a value has the
// same bits wherever the series starts and whatever came before, also where the sums are not exact.
#pragma once

#include <type_traits>

#include "windows.hpp"

namespace alphamine {

// Calls run(std::integral_constant<int, M>) for the leading bits of a window's length, at most
// three: 1 <= M <= 7; gives the number of bits that are left.
template <class Run>
inline int with_head(int window, Run run) {
    const int bits = 32 - __builtin_clz(window), rest = std::max(0, bits - 3);
    switch (window >> rest) {
        case 1: run(std::integral_constant<int, 1>{}); break;
        case 2: run(std::integral_constant<int, 2>{}); break;
        case 3: run(std::integral_constant<int, 3>{}); break;
        case 4: run(std::integral_constant<int, 4>{}); break;
        case 5: run(std::integral_constant<int, 5>{}); break;
        case 6: run(std::integral_constant<int, 6>{}); break;
        default: run(std::integral_constant<int, 7>{}); break;
    }
    return rest;
}

// Runs body(i, recent) for every register of a block, where recent[j] is what get gives for the row
// j rows before (0 before the block), for j < M.
template <int M, class Get, class Body>
inline void for_recent(Get get, Index rows, Body body) {
    for (int k = 0; k < kParts; ++k) {
        Vec<double> recent[M] = {};
        for (Index i = k * kPart; i < rows * kStrip; i += kStrip) {
            for (int j = M - 1; j > 0; --j) recent[j] = recent[j - 1];
            recent[0] = get(i);
            body(i, recent);
        }
    }
}

// Runs step(i, back, odd) downwards for every register whose row has a window of the next length:
// twice the last one, which starts `back` elements before, and one more row if `odd`.
template <class Step>
inline void double_once(int& length, Index rows, bool odd, Step step) {
    const Index back = length * kStrip;
    length = 2 * length + odd;
    for (Index i = rows * kStrip - kPart; i >= (length - 1) * kStrip; i -= kPart) step(i, back);
}

// out[r] = get(r) + get(r - 1) + ... over `window` rows, for r >= window - 1; cells are indexed
// flat, get(i) gives the register at element i. (Lambdas of hot loops capture by value: what they
// point at could otherwise be overwritten by any store, and would be read again each time.)
template <class Get>
inline void window_sums(Get get, double* out, Index rows, int window) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            Vec<double> sum = recent[0];
            for (int j = 1; j < head(); ++j) sum += recent[j];
            store(out + i, sum);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        // Downwards, so that the shorter sums that a row needs are still in place.
        if ((window >> --rest) & 1)
            double_once(length, rows, true, [=](Index i, Index back) {
                store(out + i, load(out + i) + load(out + i - back) + get(i - 2 * back));
            });
        else
            double_once(length, rows, false, [=](Index i, Index back) {
                store(out + i, load(out + i) + load(out + i - back));
            });
    }
}

// A sum as two doubles: what the rounding of `high` lost is in `low` (Knuth's two-sum).
struct TwoSum {
    Vec<double> high, low;

    void add(Vec<double> other, Vec<double> other_low) {
        const Vec<double> sum = high + other, moved = sum - high;
        low += ((high - (sum - moved)) + (other - moved)) + other_low;
        high = sum;
    }
};

// out[r] like window_sums, correctly rounded if the sum fits into two doubles; `low` is scratch.
template <class Get>
inline void window_products(Get get, double* out, double* low, Index rows, int window) {
    const auto keep = [=](Index i, const TwoSum& sum) {
        store(out + i, sum.high);
        store(low + i, sum.low);
    };
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            TwoSum sum{recent[0], Vec<double>{}};
            for (int j = 1; j < head(); ++j) sum.add(recent[j], Vec<double>{});
            keep(i, sum);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        const bool odd = (window >> --rest) & 1;
        double_once(length, rows, odd, [=](Index i, Index back) {
            TwoSum sum{load(out + i), load(low + i)};
            sum.add(load(out + i - back), load(low + i - back));
            if (odd) sum.add(get(i - 2 * back), Vec<double>{});
            keep(i, sum);
        });
    }
    for (Index i = (window - 1) * kStrip; i < rows * kStrip; i += kPart)
        store(out + i, load(out + i) + load(low + i));
}

// sums[r] = sum of the window, ramps[r] = sum with weights 1 (oldest) to `window` (today).
template <class Get>
inline void window_ramps(Get get, double* sums, double* ramps, Index rows, int window) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            // Adding up the shorter sums weights each value by the number of those that hold it.
            Vec<double> sum = recent[0], ramp = recent[0];
            for (int j = 1; j < head(); ++j) {
                sum += recent[j];
                ramp += sum;
            }
            store(sums + i, sum);
            store(ramps + i, ramp);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        const bool odd = (window >> --rest) & 1;
        // The newer half gains the length of the older one on every weight.
        const Vec<double> gain = splat(static_cast<double>(length));
        double_once(length, rows, odd, [=](Index i, Index back) {
            const Vec<double> newer = load(sums + i), older = load(sums + i - back);
            Vec<double> sum = newer + older;
            Vec<double> ramp = load(ramps + i) + gain * newer + load(ramps + i - back);
            if (odd) {
                const Vec<double> oldest = get(i - 2 * back);
                ramp += sum + oldest;
                sum += oldest;
            }
            store(sums + i, sum);
            store(ramps + i, ramp);
        });
    }
}

// out[r] = sum of the window with weights factor^age.
template <class Get>
inline void window_decays(Get get, double* out, Index rows, int window, double factor) {
    int rest = with_head(window, [&](auto head) {
        for_recent<head()>(get, rows, [=](Index i, const Vec<double>* recent) {
            Vec<double> sum = recent[head() - 1];
            for (int j = head() - 2; j >= 0; --j) sum = sum * factor + recent[j];
            store(out + i, sum);
        });
    });
    int length = window >> rest;
    while (rest > 0) {
        const bool odd = (window >> --rest) & 1;
        const Vec<double> older = splat(std::pow(factor, static_cast<double>(length)));
        const Vec<double> oldest = splat(std::pow(factor, 2.0 * length));
        double_once(length, rows, odd, [=](Index i, Index back) {
            Vec<double> sum = load(out + i) + older * load(out + i - back);
            if (odd) sum += oldest * get(i - 2 * back);
            store(out + i, sum);
        });
    }
}

}  // namespace alphamine
