// Ratios over / sqrt(square) and roots sqrt(square) of windows in float arithmetic, scaled into
// its range by exact powers of two: four times as fast as in double, and right to two units in the
// last place.
//
// Neither the rounded quotient of two scaled floats nor the scaled root has other bits if `over` is
// scaled by another power of two (and `square` by its square), as long as no scaled float leaves the
// normal range. One power for all lanes of a block will do where running sums are exact (exact.hpp).
// Let 2^e be the block's largest exponent, r its range, 2^b > n. Windows that lose no digits have
//   2^(2 e - 2 r - 24 - b) < variance < 2^(2 e + 3), and 2 r + 2 b <= 55.
// For two inputs, with e and r now the sums of both, n^2 times the one variance times n^2 times the
// other is from 2^(2 e - 2 r - 46) to 2^(2 e + 4 b + 4), and 2 r + 4 b <= 110: times 2^(2 kCentre) it
// stays from 2^-124 to 2^127, for windows up to 2^24 rows.
// What is above the root is a multiple of 2^(e - r - 46 - b), or 0.
#pragma once

#include "windows.hpp"

namespace alphamine {

// What the sums say of a register of windows: over / sqrt(square), sqrt(square) or just `over`, and
// which of them lost too many digits. Filled in place: the compiler copies vectors in structs through
// memory.
struct Judged {
    Vec<double> over, square;
    Mask<double> lost;
};
enum class Finish { plain, root, ratio, correlation };  // a correlation is limited to [-1, 1]

// The power of two of a block, by which `over` is divided.
class BlockUnit {
public:
    explicit BlockUnit(int exponent)
        : down_(splat(two_to(-exponent))), down_square_(splat(two_to(-2 * exponent))),
          up_(splat(static_cast<float>(two_to(exponent)))) {}

    void scale(Vec<double>& over, Vec<double>& square) const {
        over *= down_;
        square *= down_square_;
    }

    // Float roots of scaled squares in the unit of the values.
    Vec<float> scaled_back(Vec<float> root) const { return root * up_; }

private:
    Vec<double> down_, down_square_;
    Vec<float> up_;
};

// A power of two for each lane, from its square.
class LaneUnit {
public:
    void scale(Vec<double>& over, Vec<double>& square) const {
        typedef std::uint64_t Bits __attribute__((vector_size(AM_VECTOR_BYTES), may_alias));
        const Bits even = (reinterpret_cast<Bits>(square) >> 52) & 0x7fe;
        square *= reinterpret_cast<Vec<double>>((2045 - even) << 52);
        over *= reinterpret_cast<Vec<double>>((1534 - (even >> 1)) << 52);
    }

    // Scaled back in double: the power itself may be no float.
    HalfFloat root(Vec<double> square) const {
        Vec<double> down = splat(1.0);
        scale(down, square);
        return narrow(widen(square_root(narrow(square))) / down);
    }
};

// Roots and quotients take as long for half a register of floats as for a whole one: the halves of a
// block leave what they are taken of in rows, `over` where the results will stand.
template <Finish finish, class Unit>
class Finisher {
public:
    // Whether the halves leave results. A unit for each lane takes roots at once.
    static constexpr bool at_once =
        finish == Finish::plain || (finish == Finish::root && std::is_same<Unit, LaneUnit>::value);

    explicit Finisher(Unit unit) : unit_(unit) {}

    void half(Judged& judged, float* over, float* square) const {
        if constexpr (finish == Finish::plain) {
            store_half(over, narrow(judged.over));
        } else if constexpr (at_once) {
            store_half(over, unit_.root(judged.square));
        } else {
            scale(judged);
            if constexpr (finish != Finish::root) store_half(over, narrow(judged.over));
            store_half(square, narrow(judged.square));
        }
    }

    Vec<float> row(const float* over, const float* square) const {
        if constexpr (at_once)
            return load(over);
        else if constexpr (finish == Finish::root)
            return unit_.scaled_back(square_root(load(square)));
        else
            return ratio(load(over), load(square));
    }

    // A row from both of its halves at hand.
    Vec<float> both(Judged& a, Judged& b) const {
        if constexpr (finish == Finish::plain) {
            return join(a.over, b.over);
        } else {
            scale(a);
            scale(b);
            return ratio(join(a.over, b.over), join(a.square, b.square));
        }
    }

private:
    // Any ratio may be of cubes, say, which no unit of a block fits.
    void scale(Judged& judged) const {
        if constexpr (finish == Finish::ratio)
            LaneUnit{}.scale(judged.over, judged.square);
        else
            unit_.scale(judged.over, judged.square);
    }

    static Vec<float> ratio(Vec<float> over, Vec<float> square) {
        const Vec<float> value = over / square_root(square);
        if constexpr (finish == Finish::ratio) return value;
        return lower(splat(1.0f), higher(splat(-1.0f), value));
    }

    Unit unit_;
};

}  // namespace alphamine
