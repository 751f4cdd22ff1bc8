// SPDX-License-Identifier: Apache-2.0
// SpecialRegister names the registers that PTX predefines (%tid, %laneid, %clock64, …).
// Components (.x .y .z .w) are not part of the name: they are the operand's selector.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "soft-gpu/ptx/type.h"

namespace farlane::soft::ptx {

// X(enumerator, spelling, type of one component, has components)
#define FARLANE_PTX_SPECIAL_REGISTERS(X)                                  \
  X(kTid, "%tid", kU32, true)                                             \
  X(kNtid, "%ntid", kU32, true)                                           \
  X(kCtaid, "%ctaid", kU32, true)                                         \
  X(kNctaid, "%nctaid", kU32, true)                                       \
  X(kLaneid, "%laneid", kU32, false)                                      \
  X(kWarpid, "%warpid", kU32, false)                                      \
  X(kNwarpid, "%nwarpid", kU32, false)                                    \
  X(kSmid, "%smid", kU32, false)                                          \
  X(kNsmid, "%nsmid", kU32, false)                                        \
  X(kGridid, "%gridid", kU64, false)                                      \
  X(kIsExplicitCluster, "%is_explicit_cluster", kPred, false)             \
  X(kClusterid, "%clusterid", kU32, true)                                 \
  X(kNclusterid, "%nclusterid", kU32, true)                               \
  X(kClusterCtaid, "%cluster_ctaid", kU32, true)                          \
  X(kClusterNctaid, "%cluster_nctaid", kU32, true)                        \
  X(kClusterCtarank, "%cluster_ctarank", kU32, false)                     \
  X(kClusterNctarank, "%cluster_nctarank", kU32, false)                   \
  X(kLanemaskEq, "%lanemask_eq", kU32, false)                             \
  X(kLanemaskLe, "%lanemask_le", kU32, false)                             \
  X(kLanemaskLt, "%lanemask_lt", kU32, false)                             \
  X(kLanemaskGe, "%lanemask_ge", kU32, false)                             \
  X(kLanemaskGt, "%lanemask_gt", kU32, false)                             \
  X(kClock, "%clock", kU32, false)                                        \
  X(kClockHi, "%clock_hi", kU32, false)                                   \
  X(kClock64, "%clock64", kU64, false)                                    \
  X(kGlobaltimer, "%globaltimer", kU64, false)                            \
  X(kGlobaltimerLo, "%globaltimer_lo", kU32, false)                       \
  X(kGlobaltimerHi, "%globaltimer_hi", kU32, false)                       \
  X(kTotalSmemSize, "%total_smem_size", kU32, false)                      \
  X(kAggrSmemSize, "%aggr_smem_size", kU32, false)                        \
  X(kDynamicSmemSize, "%dynamic_smem_size", kU32, false)                  \
  X(kReservedSmemOffsetBegin, "%reserved_smem_offset_begin", kB32, false) \
  X(kReservedSmemOffsetEnd, "%reserved_smem_offset_end", kB32, false)     \
  X(kReservedSmemOffsetCap, "%reserved_smem_offset_cap", kB32, false)     \
  X(kCurrentGraphExec, "%current_graph_exec", kU64, false)

enum class SpecialRegister : uint16_t {
#define FARLANE_PTX_ENUMERATOR(name, text, type, vector) name,
  FARLANE_PTX_SPECIAL_REGISTERS(FARLANE_PTX_ENUMERATOR)
#undef FARLANE_PTX_ENUMERATOR
  // Numbered families: the enumerator plus the number, e.g. %envreg2 = kEnvreg0 + 2.
  kEnvreg0,
  kEnvreg1,
  kEnvreg2,
  kEnvreg31 = kEnvreg0 + 31,
  kPm0,
  kPm7 = kPm0 + 7,
  kPm0Of64,  // %pm0_64 … %pm7_64
  kPm7Of64 = kPm0Of64 + 7,
  kReservedSmemOffset0,
  kReservedSmemOffset1,
  kCount
};

struct SpecialRegisterInfo {
  Type type = Type::kNone;
  bool has_components = false;
};

// The register of a name with its '%' and without a component.
std::optional<SpecialRegister> FindSpecialRegister(std::string_view name);

SpecialRegisterInfo InfoOf(SpecialRegister special);
std::string_view NameOf(SpecialRegister special);

}  // namespace farlane::soft::ptx
