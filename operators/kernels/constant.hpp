// Which windows of a block are constant, found from the changes of the series.
//
// Sums of constant windows lose all digits, and some series are constant for long (extremes, prices
// of suspended names): looking at each such window again would cost more than everything else.
#pragma once

#include "windows.hpp"

namespace alphamine {

// Of each cell: how many rows back the last present value stood that differs from the latest one.
// A window is constant if that is outside.
class Constants {
public:
    Constants(int window, Arena& arena)
        : window_(window), ages_(arena.take<float>(block_cells(window))) {}

    // Of a new block; nothing is computed before it is asked for.
    void reset(const Block<float>& block) {
        block_ = &block;
        known_ = false;
    }

    // The constant ones among the windows whose newest row has its register at element i.
    Mask<double> at(Index i) {
        if (!known_) fill();
        return widen(load_half(ages_ + i) >= static_cast<float>(window_));
    }

private:
    void fill() {
        known_ = true;
        Vec<float> last = splat(kNaN<float>), seen{}, age = splat(kInf<float>);
        for (Index i = 0; i < block_->rows * kStrip; i += kStrip) {
            const Vec<float> v = load(block_->values + i);
            const Mask<float> here = load(block_->present + i) > 0.0f;
            const Mask<float> changed = here & (v != last) & (last == last);
            age = (changed ? seen : age) + 1.0f;
            last = here ? v : last;
            seen = here ? Vec<float>{} : seen + 1.0f;
            store(ages_ + i, age);
        }
    }

    int window_;
    bool known_ = false;
    float* ages_;
    const Block<float>* block_ = nullptr;
};

}  // namespace alphamine
