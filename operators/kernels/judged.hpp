// Values of float windows from their sums: the halves of a block first, then whole rows, then again
// the windows whose sums lost too many digits.
#pragma once

#include "constant.hpp"
#include "running.hpp"

namespace alphamine {

// Lanes of a register of windows whose sums lost too many digits: its element in the block's arrays
// and in the series.
struct Lost {
    Index i, at;
    int lanes;
};

// What a block leaves between its halves and its rows.
struct JudgedRows {
    JudgedRows(int window, Arena& arena)
        : square(arena.take<float>(block_cells(window))),
          counts(arena.take<float>(block_cells(window))),
          lost(arena.take<Lost>(kParts * block_rows(window))) {}

    float *square, *counts;
    Lost* lost;
};

// Runs judge(sums, count, i, at, judged) over the windows of a block, one half after the other, so
// that all sums of a register of windows stay in registers; gives the end of what is lost.
template <bool counted, class Source, class Judge, class Finisher>
inline Lost* judge_halves(const Call<float>& s, const JudgedRows& rows, Index count_rows, Index place,
                          const Source& source, Judge judge, const Finisher& finisher) {
    const Index stride = s.shape.stride, lead = (s.window - 1) * kStrip;
    float *out = s.out, *square = rows.square;
    const float* counts = rows.counts;
    Lost* lost = rows.lost;
    for (Index half = 0; half < kStrip; half += kPart) {
        auto sums = source.half(half);
        Count count = count_of(splat(static_cast<double>(s.window)));
        Index at = place + half;
        for (Index i = lead + half; i < count_rows * kStrip; i += kStrip, at += stride) {
            if constexpr (counted) count = count_of(widen(load_half(counts + i)));
            Judged judged;
            judge(sums(i), count, i, at, judged);
            finisher.half(judged, out + at, square + i);
            const int lanes = bits_of(judged.lost);
            if (__builtin_expect(lanes, 0)) *lost++ = {i, at, lanes};
        }
    }
    return lost;
}

// Writes what judge(sums, count, i, at, judged) says of every window that has `need` values; those
// that are lost come from again(i, n, at, lost).
template <Finish finish, class Source, class Judge, class Again>
inline void write_judgements(const Call<float>& s, const JudgedRows& rows,
                             const Block<float>& block, Index first, Index c, int need,
                             const Source& source, Judge judge, const Again& again) {
    const Finisher<finish, decltype(source.unit())> finisher(source.unit());
    const Index stride = s.shape.stride, place = first * stride + c;
    if (block.gaps) count_windows(block, s.window, rows.counts);
    const auto halves = [&](auto counted) {
        return judge_halves<counted()>(s, rows, block.rows, place, source, judge, finisher);
    };
    Lost* const end = block.gaps && need < s.window ? halves(std::true_type{}) : halves(std::false_type{});
    if (block.gaps || !finisher.at_once) {
        float* out = s.out + place;
        for (Index i = (s.window - 1) * kStrip; i < block.rows * kStrip; i += kStrip, out += stride) {
            Vec<float> value = finisher.row(out, rows.square + i);
            if (block.gaps) value = or_missing(load(rows.counts + i) >= static_cast<float>(need), value);
            store(out, value);
        }
    }
    for (const Lost* one = rows.lost; one != end; ++one) {
        Vec<double> n = splat(static_cast<double>(s.window));
        if (block.gaps) n = widen(load_half(rows.counts + one->i));
        const Mask<double> lanes = mask_of(one->lanes) & (n >= static_cast<double>(need));
        if (!any(lanes)) continue;
        const Vec<double> value = again(one->i, n, one->at, lanes);
        float* out = s.out + one->at;
        store_half(out, narrow(lanes ? value : widen(load_half(out))));
    }
}

// The same where no window loses digits; few sums: both halves at once.
template <Finish finish, class Source, class Judge>
inline void write_judgements(const Call<float>& s, const Block<float>& block, Index first, Index c,
                             int need, const Source& source, Judge judge) {
    const Finisher<finish, decltype(source.unit())> finisher(source.unit());
    float* out = s.out + c;
    const Index stride = s.shape.stride;
    for_windows(block, first, s.window, need,
                [=, low = source.half(0), high = source.half(kPart)](
                    Index i, const Count* counts, const Enough<float>& enough, Index t) mutable {
                    const Index at = t * stride;
                    Judged a, b;
                    judge(low(i), counts[0], i, at + c, a);
                    judge(high(i + kPart), counts[1], i + kPart, at + c + kPart, b);
                    store(out + at, or_missing(enough.mask[0], finisher.both(a, b)));
                });
}

}  // namespace alphamine
