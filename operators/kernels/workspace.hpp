// Memory of the executor: aligned, reused, on huge pages where the system has them.
#pragma once

#include <cstdlib>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "kernel.hpp"

namespace alphamine {

constexpr std::size_t kSmallPage = std::size_t{4} << 10, kHugePage = std::size_t{2} << 20;

class Pages {
public:
    Pages() = default;
    Pages(Pages&& other) noexcept { *this = std::move(other); }
    Pages& operator=(Pages&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Pages() { std::free(base_); }

    // At least `bytes`; what was there before is lost if it has to grow. False without memory.
    bool ensure(std::size_t bytes) {
        if (bytes <= bytes_) return true;
        std::free(base_);
        // A huge page is cleared as a whole, which takes longer than what little memory is used for.
        const std::size_t page = bytes < kHugePage ? kSmallPage : kHugePage;
        bytes_ = (bytes + page - 1) / page * page;
        base_ = std::aligned_alloc(page, bytes_);
        if (base_ == nullptr) bytes_ = 0;
#if defined(__linux__)
        if (base_ != nullptr && page == kHugePage) madvise(base_, bytes_, MADV_HUGEPAGE);
#endif
        return base_ != nullptr;
    }

    char* data() const { return static_cast<char*>(base_); }
    std::size_t bytes() const { return bytes_; }

private:
    void* base_ = nullptr;
    std::size_t bytes_ = 0;
};

// Buffers and scratch of one thread.
class Workspace {
public:
    bool prepare(std::size_t slots, std::size_t slot_bytes, std::size_t arena_bytes) {
        // An odd number of cache lines between buffers keeps them off each other's cache sets.
        slot_bytes_ = ((slot_bytes + 63) / 64 | 1) * 64;
        return slots_.ensure(slots * slot_bytes_) && arena_.ensure(arena_bytes);
    }

    void poison_slots() const { std::memset(slots_.data(), kPoison, slots_.bytes()); }
    void* slot(std::size_t i) const { return slots_.data() + i * slot_bytes_; }
    Arena arena() const { return Arena(arena_.data(), arena_.bytes()); }
    std::size_t bytes() const { return slots_.bytes() + arena_.bytes(); }

private:
    Pages slots_, arena_;
    std::size_t slot_bytes_ = 0;
};

}  // namespace alphamine
