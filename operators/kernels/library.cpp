// The C interface of the kernel library; alphamine/engine/native.py is its only caller.

#include <new>

#include "day.hpp"
#include "pool.hpp"
#include "products.hpp"

#if defined(_WIN32)
#define AM_EXPORT extern "C" __declspec(dllexport)
#else
#define AM_EXPORT extern "C" __attribute__((visibility("default")))
#endif

using namespace alphamine;

// Size of the structures that Python fills, and the number of arguments of all functions that it
// calls: a library of another version is not called.
AM_EXPORT std::int32_t am_layout() {
    return 1000000 * 45 + 1000 * (sizeof(AmOperation) + sizeof(AmInstruction)) + sizeof(AmProgram);
}

// The opcode of a kernel or sink, -1 if there is none.
AM_EXPORT std::int32_t am_opcode(const char* name) {
    for (int i = 0; i < kKernelCount; ++i)
        if (std::strcmp(kKernels[i].name, name) == 0) return i;
    for (int i = kKernelCount; i < kOpcodeEnd; ++i)
        if (std::strcmp(kSinks[i - kKernelCount], name) == 0) return i;
    return -1;
}

// Name of an opcode, for listing; nullptr past the end.
AM_EXPORT const char* am_opcode_name(std::int32_t opcode) {
    return opcode >= 0 && opcode < kKernelCount ? kKernels[opcode].name : nullptr;
}

// Whether a kernel takes literals as inputs.
AM_EXPORT std::int32_t am_takes_literals(std::int32_t opcode) {
    return opcode >= 0 && opcode < kKernelCount && kKernels[opcode].literals;
}

AM_EXPORT std::int32_t am_vector_bytes() { return AM_VECTOR_BYTES; }

// Bit 0: this machine runs x86-64-v3 (AVX2) code; bit 1: x86-64-v4 (AVX-512).
AM_EXPORT std::int32_t am_machine_levels() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    return (v3 ? 1 : 0) | (v4 ? 2 : 0);
#else
    return 0;
#endif
}

// Buffers that outlive a program: one workspace for each thread.
AM_EXPORT void* am_workspace_new() { return new (std::nothrow) std::vector<Workspace>(); }
AM_EXPORT void am_workspace_free(void* handle) {
    delete static_cast<std::vector<Workspace>*>(handle);
}
AM_EXPORT std::int64_t am_workspace_bytes(const void* handle) {
    std::int64_t bytes = 0;
    for (const auto& own : *static_cast<const std::vector<Workspace>*>(handle)) bytes += own.bytes();
    return bytes;
}

// A label of `rows` days and `columns` symbols, prepared for scoring; null without memory.
AM_EXPORT void* am_label_new(const double* values, std::int64_t rows, std::int64_t columns) {
    auto* label = new (std::nothrow) LabelDays(values, rows, columns);
    if (label != nullptr && label->ready()) return label;
    delete label;
    return nullptr;
}
AM_EXPORT void am_label_free(void* label) { delete static_cast<LabelDays*>(label); }

// Centred daily ranks of the cells of a pool, see `rank_cells`. 0: done; 2: not enough memory.
AM_EXPORT std::int32_t am_rank_cells(const void* values, std::int32_t dtype, std::int64_t stride,
                                     const std::int32_t* columns, const std::int64_t* start,
                                     std::int64_t days, std::int16_t* out,
                                     std::int64_t* present, double* squares) {
    const auto rank = [&](const auto* x) {
        return rank_cells(x, stride, columns, start, days, out, present, squares);
    };
    const bool done = dtype == 4 ? rank(static_cast<const float*>(values))
                                 : rank(static_cast<const double*>(values));
    return done ? 0 : 2;
}

// Adds the daily ranks of one formula to a weighted sum, see `add_ranks`. 0: done; 2: not enough
// memory.
AM_EXPORT std::int32_t am_add_ranks(const void* values, std::int32_t dtype, std::int64_t stride,
                                    const std::int32_t* columns, const std::int64_t* start,
                                    std::int64_t days, double weight, double* total,
                                    bool* known) {
    const auto add = [&](const auto* x) {
        return add_ranks(x, stride, columns, start, days, weight, total, known);
    };
    const bool done = dtype == 4 ? add(static_cast<const float*>(values))
                                 : add(static_cast<const double*>(values));
    return done ? 0 : 2;
}

// What regressions leave of the numbers of some formulas, see `residual_cells`. 0: done; 2: not
// enough memory. Numbers are int16 (whole) or double.
AM_EXPORT std::int32_t am_residual_cells(const AmProjection* projection, std::int64_t days,
                                         std::int64_t formulas, const void* const* given,
                                         void* const* out, std::int32_t whole, double* rank_ic,
                                         double* squares, double* parts, std::int64_t threads) {
    const auto leave = [&](auto zero) {
        using X = decltype(zero);
        return residual_cells(*projection, days, formulas,
                              ResidualArrays<X>{reinterpret_cast<const X* const*>(given), rank_ic,
                                                reinterpret_cast<X* const*>(out), squares, parts},
                              threads);
    };
    return (whole ? leave(std::int16_t{0}) : leave(0.0)) ? 0 : 2;
}

// Daily correlations of one formula with members of a pool: whole numbers or doubles, scaled.
AM_EXPORT void am_rank_products(const std::int16_t* x, const double* scale,
                                const std::int16_t* const* cells, const double* const* scales,
                                std::int64_t members, const std::int64_t* start,
                                std::int64_t days, double* out) {
    cell_products(x, scale, Members<std::int16_t>{cells, scales, start, days}, members, out);
}
AM_EXPORT void am_value_products(const double* x, const double* scale, const double* const* cells,
                                 const double* const* scales, std::int64_t members,
                                 const std::int64_t* start, std::int64_t days, double* out) {
    cell_products(x, scale, Members<double>{cells, scales, start, days}, members, out);
}

// What a kernel may take from its arena.
static std::size_t scratch_bytes(std::int64_t stride, std::int32_t max_window) {
    const std::size_t window_cells = (3 * std::size_t(max_window) + 256) * kLaneBlock;
    return (std::size_t{4} << 20) + 64 * stride * 8 + 8 * window_cells * 8;
}

// Runs a program, with ranks for residual scores or without. 0: done; 1: an unknown opcode; 2: not enough memory.
static std::int32_t run(const AmProgram* program, const AmRanks* ranks, void* handle) {
    auto& memory = *static_cast<std::vector<Workspace>*>(handle);
    for (std::int32_t i = 0; i < program->operations; ++i)
        if (program->operation[i].opcode < 0 || program->operation[i].opcode >= kOpcodeEnd) return 1;
    const std::size_t threads = std::max(1, std::min(program->threads, program->shards));
    if (memory.size() < threads) memory.resize(threads);
    const std::size_t slot = program->rows * program->stride * program->dtype;
    const std::size_t arena = scratch_bytes(program->stride, program->max_window);
    for (std::size_t i = 0; i < threads; ++i)
        if (!memory[i].prepare(program->slots, slot, arena)) return 2;
    if (program->dtype == 4)
        run_shards<float>(*program, ranks, memory);
    else
        run_shards<double>(*program, ranks, memory);
    return 0;
}
AM_EXPORT std::int32_t am_run(const AmProgram* program, void* handle) {
    return run(program, nullptr, handle);
}
AM_EXPORT std::int32_t am_run_ranked(const AmProgram* program, const AmRanks* ranks, void* handle) {
    return run(program, ranks, handle);
}

// Size of the structures that residual scores are told of by.
AM_EXPORT std::int32_t am_residual_layout() { return sizeof(AmProjection) + sizeof(AmRanks); }

// Runs the instructions of one day on one thread. 0: done; 2: not enough memory.
AM_EXPORT std::int32_t am_day(const AmDay* day, void* handle) {
    auto& memory = *static_cast<std::vector<Workspace>*>(handle);
    if (memory.empty()) memory.resize(1);
    if (!memory[0].prepare(0, 0, scratch_bytes(day->stride, day->max_window))) return 2;
    if (day->dtype == 4)
        DayRun<float>(*day, memory[0].arena()).run();
    else
        DayRun<double>(*day, memory[0].arena()).run();
    return 0;
}

// Size of the structure that `am_day` reads.
AM_EXPORT std::int32_t am_day_layout() { return sizeof(AmDay); }
