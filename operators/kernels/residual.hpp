// What daily weighted regressions on groups and styles leave of ranks, and its correlation with what
// they leave of the label.
//
// The columns of a day's regression are orthonormal on the cells that have a label: of a formula that
// has a value in all of them, the projection is one sum of products. Where values are missing, the
// products of the columns on the cells that are left follow from those on the cells that are not, and
// are solved: nothing is approximated. Groups are eliminated first, one by one.
//
// Sums have eight parts, by the number of the cell: every instruction set gives the same bits.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <type_traits>

#include "workspace.hpp"

extern "C" {

// Mirrored by the ctypes structure in alphamine/engine/native.py.
struct AmProjection {
    const std::int32_t* columns;  // of the cells, day after day
    const std::int64_t* start;    // where the cells of each day start
    const float* lanes;  // day by day: the regression's columns, then the label, cell by cell each
    const float* roots;           // of the weights of the cells
    const std::int32_t* codes;    // their groups
    const double* masses;         // (days, groups): sums of the weights
    std::int64_t styles, groups;
};

// What `score` is to leave beside the scores of a program.
struct AmRanks {
    const AmProjection* projection;
    std::int16_t* ranks;  // (formulas, cells of the projection): twice centred, or kNoRank
};
}

namespace alphamine {

typedef double Eight __attribute__((vector_size(64)));
typedef double EightDoubles __attribute__((vector_size(64), aligned(8), may_alias));
typedef float EightFloats __attribute__((vector_size(32), aligned(4), may_alias));

// Marks a cell without a value among twice centred ranks, which are larger.
constexpr std::int16_t kNoRank = -32768;
inline bool is_known(std::int16_t x) { return x != kNoRank; }
inline bool is_known(double x) { return x == x; }

// Less than this share of the variance of a day is rounding.
constexpr double kUnexplained = 1e-6;
// A column with less than this share of its square left says nothing of its own.
constexpr double kDependent = 1e-7;

class DayProjector {
public:
    DayProjector(const AmProjection& projection, Index widest, Arena& arena) : given_(projection) {
        const Index K = given_.styles + 1, G = given_.groups;
        sums_ = arena.take<double>(K);
        solved_ = arena.take<double>(K);
        held_ = arena.take<double>(K);
        matrix_ = arena.take<double>(K * K);
        group_ = arena.take<double>(G);
        group_label_ = arena.take<double>(G);
        mass_ = arena.take<double>(G);
        cross_ = arena.take<double>(G * K);
        weighted_ = arena.take<double>(widest + 8);
        twice_ = arena.take<double>(widest + 8);
        missing_ = arena.take<std::int64_t>(widest + 1);
    }

    static std::size_t bytes(const AmProjection& given, Index widest) {
        const Index K = given.styles + 1, G = given.groups;
        return 8 * (K * (K + 3) + G * (K + 3) + 3 * widest + 20) + 64 * 12;
    }

    // The correlation of the numbers of day t, cell by cell; NaN where either side is explained whole.
    template <class X>
    double correlate(Index t, const X* x) {
        const Index begin = given_.start[t], count = given_.start[t + 1] - begin;
        const Index K = given_.styles, G = given_.groups, P = K + 1;
        const double* masses = given_.masses + t * G;
        std::fill(group_, group_ + G, 0.0);
        missed_ = 0;
        std::int32_t known = 0;
        for (Index i = 0; i < count; ++i) known += is_known(x[i]);
        read(x, count, known < count);
        const double own = squares(count);
        part_ = own > 0.0 ? static_cast<double>(known) / own : 0.0;
        total_ = add(begin, count);
        double xy = sums_[K], yy = missed_ < count ? 1.0 : 0.0, seen = yy;
        left_ = total_;
        std::copy(masses, masses + G, mass_);
        if (missed_ == 0) {
            for (Index g = 0; g < G; ++g) {
                const double own = mass_[g] > 0.0 ? group_[g] / mass_[g] : 0.0;
                left_ -= own * group_[g];
                group_[g] = own;
            }
            for (Index k = 0; k < K; ++k) {
                solved_[k] = sums_[k];
                left_ -= sums_[k] * sums_[k];
            }
        } else {
            std::fill(matrix_, matrix_ + K * P, 0.0);
            std::fill(cross_, cross_ + G * P, 0.0);
            std::fill(group_label_, group_label_ + G, 0.0);
            std::fill(held_, held_ + P, 0.0);
            for (Index m = 0; m < missed_; ++m) take_out(begin, count, missing_[m], &yy);
            seen = yy;
            for (Index k = 0; k < K; ++k) matrix_[k * P + k] += 1.0;
            for (Index g = 0; g < G; ++g) {
                if (!(mass_[g] > kDependent * masses[g])) {
                    mass_[g] = 0.0;
                    continue;
                }
                const double* own = cross_ + g * P;
                const double x = group_[g] / mass_[g], y = group_label_[g] / mass_[g];
                left_ -= x * group_[g];
                xy -= x * group_label_[g];
                yy -= y * group_label_[g];
                for (Index k = 0; k < K; ++k) {
                    sums_[k] -= own[k] * x;
                    held_[k] -= own[k] * y;
                    const double share = own[k] / mass_[g];
                    for (Index j = 0; j <= k; ++j) matrix_[k * P + j] -= share * own[j];
                }
            }
            solve(&xy, &yy);
            for (Index g = 0; g < G; ++g) {
                double rest = group_[g];
                for (Index k = 0; k < K; ++k) rest -= cross_[g * P + k] * solved_[k];
                group_[g] = mass_[g] > 0.0 ? rest / mass_[g] : 0.0;
            }
        }
        if (!(left_ > kUnexplained * total_ && yy > kUnexplained * seen)) {
            left_ = 0.0;
            return kNaN<double>;
        }
        return std::min(1.0, std::max(-1.0, xy / std::sqrt(left_ * yy)));
    }

    // Sum of the weighted squares of what the last day's regression leaves; 0 if nothing.
    double left() const { return left_; }

    // The same of numbers whose squares are 1 in the mean.
    double part() const { return left_ * part_; }

    // What it leaves of the day's numbers, times the roots of the weights, in `count` cells.
    void rest(Index t, double* out) const {
        const Index begin = given_.start[t], count = given_.start[t + 1] - begin;
        const float *lanes = given_.lanes + begin * (given_.styles + 1), *roots = given_.roots + begin;
        const std::int32_t* codes = given_.codes + begin;
        for (Index i = 0; i < count; ++i)
            out[i] = weighted_[i] - group_[codes[i]] * static_cast<double>(roots[i]);
        for (Index k = 0; k < given_.styles; ++k) {
            const double slope = solved_[k];
            const float* column = lanes + k * count;
            for (Index i = 0; i < count; ++i) out[i] -= slope * static_cast<double>(column[i]);
        }
        for (Index m = 0; m < missed_; ++m) out[missing_[m]] = 0.0;
    }

private:
    void read(const double* x, Index count, bool gaps) {
        std::copy(x, x + count, weighted_);
        if (gaps) blank(x, count);
    }
    void read(const std::int16_t* x, Index count, bool gaps) {
        Index i = 0;
        for (; i + 8 <= count; i += 8) put(weighted_ + i, wide(x + i));
        for (; i < count; ++i) weighted_[i] = x[i];
        if (gaps) blank(x, count);
    }
    template <class X>
    void blank(const X* x, Index count) {
        for (Index i = 0; i < count; ++i) {
            if (is_known(x[i])) continue;
            weighted_[i] = 0.0;
            missing_[missed_++] = i;
        }
    }

    double squares(Index count) const {
        Eight squares{};
        Index i = 0;
        for (; i + 8 <= count; i += 8) squares += eight(weighted_ + i) * eight(weighted_ + i);
        for (Index l = 0; i < count; ++i, ++l) squares[l] += weighted_[i] * weighted_[i];
        return sum(squares);
    }

    // Weights the values, and sums their products with the columns; gives the sum of their squares.
    double add(Index begin, Index count) {
        const Index K = given_.styles + 1;
        const float *lanes = given_.lanes + begin * K, *roots = given_.roots + begin;
        Eight squares{};
        Index i = 0;
        for (; i + 8 <= count; i += 8) {
            const Eight root = wide(roots + i), x = eight(weighted_ + i) * root;
            squares += x * x;
            put(weighted_ + i, x);
            put(twice_ + i, x * root);
        }
        for (Index l = 0; i < count; ++i, ++l) {
            const double root = roots[i], x = weighted_[i] * root;
            squares[l] += x * x;
            weighted_[i] = x;
            twice_[i] = x * root;
        }
        const std::int32_t* codes = given_.codes + begin;
        for (Index j = 0; j < count; ++j) group_[codes[j]] += twice_[j];
        Index k = 0;
        for (; k + 4 <= K; k += 4) dots<4>(lanes + k * count, count, sums_ + k);
        for (; k < K; ++k) dots<1>(lanes + k * count, count, sums_ + k);
        return sum(squares);
    }

    // Sums of the weighted values times some columns that follow each other.
    template <int Together>
    void dots(const float* lanes, Index count, double* out) const {
        Eight sums[Together] = {};
        Index i = 0;
        for (; i + 8 <= count; i += 8) {
            const Eight x = eight(weighted_ + i);
#pragma GCC unroll 4
            for (int k = 0; k < Together; ++k) sums[k] += x * wide(lanes + k * count + i);
        }
        for (Index l = 0; i < count; ++i, ++l)
            for (int k = 0; k < Together; ++k) sums[k][l] += weighted_[i] * lanes[k * count + i];
        for (int k = 0; k < Together; ++k) out[k] = sum(sums[k]);
    }

    static double sum(const Eight& s) {
        return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }
    // What the compiler makes of the conversions of whole registers is several times as long.
    static Eight wide(const std::int16_t* p) {
#if defined(__AVX512F__)
        const __m128i shorts = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return (Eight)_mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(shorts));
#else
        return Eight{double(p[0]), double(p[1]), double(p[2]), double(p[3]),
                     double(p[4]), double(p[5]), double(p[6]), double(p[7])};
#endif
    }
    static Eight wide(const float* p) {
#if defined(__AVX512F__)
        return (Eight)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#endif
        return __builtin_convertvector(*reinterpret_cast<const EightFloats*>(p), Eight);
    }
    static Eight eight(const double* p) { return *reinterpret_cast<const EightDoubles*>(p); }
    static void put(double* p, Eight x) { *reinterpret_cast<EightDoubles*>(p) = x; }

    // A cell without a value leaves the sums that were made of all cells.
    void take_out(Index begin, Index count, Index i, double* yy) {
        const Index K = given_.styles, P = K + 1, g = given_.codes[begin + i];
        const float* cell = given_.lanes + begin * P + i;
        const double label = cell[K * count], root = given_.roots[begin + i];
        *yy -= label * label;
        mass_[g] -= root * root;
        group_label_[g] -= root * label;
        double* own = cross_ + g * P;
        for (Index k = 0; k < K; ++k) {
            const double column = cell[k * count];
            own[k] -= root * column;
            held_[k] -= column * label;
            for (Index j = 0; j <= k; ++j) matrix_[k * P + j] -= column * cell[j * count];
        }
    }

    // Least squares on what the groups have left of the styles (Cholesky, dependent columns left out).
    void solve(double* xy, double* yy) {
        const Index K = given_.styles, P = K + 1;
        for (Index k = 0; k < K; ++k) {
            for (Index j = 0; j <= k; ++j) {
                double sum = matrix_[k * P + j];
                for (Index i = 0; i < j; ++i) sum -= matrix_[k * P + i] * matrix_[j * P + i];
                const double pivot = j < k ? matrix_[j * P + j] : 0.0;
                if (j < k)
                    matrix_[k * P + j] = pivot > 0.0 ? sum / pivot : 0.0;
                else
                    matrix_[k * P + k] = sum > kDependent ? std::sqrt(sum) : 0.0;
            }
            const double pivot = matrix_[k * P + k];
            double x = sums_[k], y = held_[k];
            for (Index i = 0; i < k; ++i) {
                x -= matrix_[k * P + i] * solved_[i];
                y -= matrix_[k * P + i] * held_[i];
            }
            solved_[k] = x = pivot > 0.0 ? x / pivot : 0.0;
            held_[k] = y = pivot > 0.0 ? y / pivot : 0.0;
            left_ -= x * x;
            *xy -= x * y;
            *yy -= y * y;
        }
        for (Index k = K; k-- > 0;) {
            double x = solved_[k];
            for (Index i = k + 1; i < K; ++i) x -= matrix_[i * P + k] * solved_[i];
            const double pivot = matrix_[k * P + k];
            solved_[k] = pivot > 0.0 ? x / pivot : 0.0;
        }
    }

    const AmProjection given_;
    double *sums_, *solved_, *held_, *matrix_;
    double *group_, *group_label_, *mass_, *cross_;
    double *weighted_, *twice_;
    std::int64_t* missing_;
    Index missed_ = 0;
    double total_ = 0.0, left_ = 0.0, part_ = 0.0;
};

// Whole numbers whose squares, added over a day, stay inside 32 bits (see `day_products`).
inline double largest_whole(Index count) {
    const double most = std::floor(std::sqrt(2147483647.0 / std::max<Index>(count, 1)));
    return std::min(count < 1290 ? most : 1289.0, 32767.0);
}

// Rounded to the nearest; below 2^51.
inline double whole_number(double x) {
    constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52
    return (x + shift) - shift;
}

// What is asked of some formulas: one entry (or row of days) for each.
template <class X>
struct ResidualArrays {
    const X* const* given;  // (cells,) each; is_known says of which
    X* const* out;          // (cells,) each, or null: what the regressions leave of these
    double *rank_ic, *squares, *parts;  // (formulas, days): correlations with what they leave of the
                                        // label; sums of squares of `out`; see `part`
};

// The same of some days. What is left of whole numbers is in whole numbers, the largest of a day as
// large as `day_products` allows. False without memory.
template <class X>
bool residual_days(const AmProjection& projection, Index days, Index first, Index stop,
                   Index formulas, const ResidualArrays<X>& arrays) {
    constexpr bool whole = std::is_integral<X>::value;
    Index widest = 0;
    for (Index t = first; t < stop; ++t)
        widest = std::max<Index>(widest, projection.start[t + 1] - projection.start[t]);
    Pages pages;
    if (!pages.ensure(DayProjector::bytes(projection, widest) + 8 * (widest + 64) + 4096)) return false;
    Arena arena(pages.data(), pages.bytes());
    double* rest = arena.take<double>(widest + 1);
    DayProjector projector(projection, widest, arena);
    // Day by day, so that what a day needs is read once for all formulas.
    for (Index t = first; t < stop; ++t) {
        const Index begin = projection.start[t], count = projection.start[t + 1] - begin;
        for (Index f = 0; f < formulas; ++f) {
            const Index place = f * days + t;
            arrays.rank_ic[place] = projector.correlate(t, arrays.given[f] + begin);
            arrays.parts[place] = projector.part();
            arrays.squares[place] = 0.0;
            if (arrays.out == nullptr) continue;
            X* out = arrays.out[f] + begin;
            if (!(projector.left() > 0.0)) {
                std::fill(out, out + count, X(0));
                continue;
            }
            projector.rest(t, rest);
            double peak = 0.0, squares = 0.0;
            for (Index i = 0; i < count; ++i) peak = std::max(peak, std::fabs(rest[i]));
            const double unit = whole ? largest_whole(count) / peak : 1.0;
            for (Index i = 0; i < count; ++i) {
                const double scaled = whole ? whole_number(rest[i] * unit) : rest[i];
                out[i] = static_cast<X>(scaled);
                squares += scaled * scaled;
            }
            arrays.squares[place] = squares;
        }
    }
    return true;
}

// Of all days, which threads share.
template <class X>
bool residual_cells(const AmProjection& projection, Index days, Index formulas,
                    const ResidualArrays<X>& arrays, Index threads) {
    threads = std::max<Index>(1, std::min(threads, days));
    std::vector<std::thread> others;
    std::atomic<bool> done{true};
    const auto work = [&](Index i) {
        if (!residual_days(projection, days, days * i / threads, days * (i + 1) / threads, formulas,
                           arrays))
            done = false;
    };
    for (Index i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
    for (auto& thread : others) thread.join();
    return done;
}

}  // namespace alphamine
