// SPDX-License-Identifier: Apache-2.0
// Modifier is one dotted word after an opcode: a type (.f32), a space (.global), a rounding (.rn),
// …. Types keep their own number as modifiers; a word outside the list gets a number of its Body's
// own (IsExtra), so that text newer than this list still parses and prints.
#pragma once

#include <cstdint>
#include <string_view>

#include "soft-gpu/ptx/type.h"

namespace farlane::soft::ptx {

// X(enumerator, spelling without the dot)
// clang-format off
#define FARLANE_PTX_MODIFIERS(X) \
  X(kUni, "uni") X(kWide, "wide") X(kHi, "hi") X(kLo, "lo") X(kCc, "cc") X(kSat, "sat")            \
  X(kFtz, "ftz") X(kApprox, "approx") X(kFull, "full") X(kRn, "rn") X(kRz, "rz") X(kRm, "rm")      \
  X(kRp, "rp") X(kRna, "rna") X(kRs, "rs") X(kRni, "rni") X(kRzi, "rzi") X(kRmi, "rmi")            \
  X(kRpi, "rpi") X(kNan, "NaN") X(kXorsign, "xorsign") X(kAbs, "abs") X(kRelu, "relu")             \
  X(kSatfinite, "satfinite") X(kScaled, "scaled") X(kEq, "eq") X(kNe, "ne") X(kLt, "lt")           \
  X(kLe, "le") X(kGt, "gt") X(kGe, "ge") X(kLs, "ls") X(kHs, "hs") X(kEqu, "equ") X(kNeu, "neu")   \
  X(kLtu, "ltu") X(kLeu, "leu") X(kGtu, "gtu") X(kGeu, "geu") X(kIsNum, "num") X(kIsNan, "nan")    \
  X(kAnd, "and") X(kOr, "or") X(kXor, "xor") X(kPopc, "popc") X(kNotOp, "not") X(kTo, "to")        \
  X(kClamp, "clamp") X(kWrap, "wrap") X(kShiftamt, "shiftamt") X(kF4e, "f4e") X(kB4e, "b4e")       \
  X(kRc8, "rc8") X(kEcl, "ecl") X(kEcr, "ecr") X(kRc16, "rc16") X(kFinite, "finite")               \
  X(kInfinite, "infinite") X(kNumber, "number") X(kNotanumber, "notanumber")                       \
  X(kNormal, "normal") X(kSubnormal, "subnormal") X(kV2, "v2") X(kV4, "v4") X(kV8, "v8")           \
  X(kX1, "x1") X(kX2, "x2") X(kX4, "x4") X(kX8, "x8") X(kX16, "x16") X(kX32, "x32")                \
  X(kX64, "x64") X(kX128, "x128") X(kGlobal, "global") X(kConst, "const") X(kShared, "shared")     \
  X(kLocal, "local") X(kParam, "param") X(kGeneric, "generic") X(kSharedCta, "shared::cta")        \
  X(kSharedCluster, "shared::cluster") X(kParamEntry, "param::entry")                              \
  X(kParamFunc, "param::func") X(kCa, "ca") X(kCg, "cg") X(kCs, "cs") X(kLu, "lu") X(kCv, "cv")    \
  X(kWb, "wb") X(kWt, "wt") X(kNc, "nc") X(kVolatile, "volatile") X(kWeak, "weak")                 \
  X(kRelaxed, "relaxed") X(kAcquire, "acquire") X(kRelease, "release") X(kAcqRel, "acq_rel")       \
  X(kSc, "sc") X(kMmio, "mmio") X(kCta, "cta") X(kCluster, "cluster") X(kGpu, "gpu")               \
  X(kSys, "sys") X(kGl, "gl") X(kL1EvictNormal, "L1::evict_normal")                                \
  X(kL1EvictUnchanged, "L1::evict_unchanged") X(kL1EvictFirst, "L1::evict_first")                  \
  X(kL1EvictLast, "L1::evict_last") X(kL1NoAllocate, "L1::no_allocate")                            \
  X(kL2EvictNormal, "L2::evict_normal") X(kL2EvictFirst, "L2::evict_first")                        \
  X(kL2EvictLast, "L2::evict_last") X(kL2EvictUnchanged, "L2::evict_unchanged")                    \
  X(kL2CacheHint, "L2::cache_hint") X(kL2Bytes64, "L2::64B") X(kL2Bytes128, "L2::128B")            \
  X(kL2Bytes256, "L2::256B") X(kL1, "L1") X(kL2, "L2") X(kEvictLast, "evict_last")                 \
  X(kEvictNormal, "evict_normal") X(kLevelEvictionPriority, "level::eviction_priority")            \
  X(kTensormap, "tensormap") X(kAdd, "add") X(kSub, "sub") X(kMin, "min") X(kMax, "max")           \
  X(kInc, "inc") X(kDec, "dec") X(kExch, "exch") X(kCas, "cas") X(kNoftz, "noftz")                 \
  X(kMul, "mul") X(kSync, "sync") X(kArrive, "arrive") X(kRed, "red") X(kAligned, "aligned")       \
  X(kAny, "any") X(kAll, "all") X(kBallot, "ballot") X(kUp, "up") X(kDown, "down")                 \
  X(kBfly, "bfly") X(kIdx, "idx") X(kWarp, "warp") X(kAsync, "async") X(kAlias, "alias")           \
  X(kProxy, "proxy") X(kTensormapGeneric, "tensormap::generic")                                    \
  X(kTensormapGenericProxy, "tensormap::generic::proxy") X(kBulk, "bulk") X(kTensor, "tensor")     \
  X(kPrefetch, "prefetch") X(kReduce, "reduce") X(kCommitGroup, "commit_group")                    \
  X(kWaitGroup, "wait_group") X(kWaitAll, "wait_all") X(kRead, "read") X(kTile, "tile")            \
  X(kIm2col, "im2col") X(kIm2colNoOffs, "im2col_no_offs") X(kTileGather4, "tile::gather4")         \
  X(kTileScatter4, "tile::scatter4") X(kIm2colW, "im2col::w") X(kIm2colW128, "im2col::w::128")     \
  X(kIm2colW64, "im2col::w::64") X(kMulticastCluster, "multicast::cluster")                        \
  X(kMbarrierCompleteTxBytes, "mbarrier::complete_tx::bytes") X(kBulkGroup, "bulk_group")          \
  X(kCpMask, "cp_mask") X(kIgnoreOob, "ignore_oob")                                                \
  X(kMbarrierArriveOne, "mbarrier::arrive::one") X(kInit, "init") X(kInval, "inval")               \
  X(kExpectTx, "expect_tx") X(kCompleteTx, "complete_tx") X(kArriveDrop, "arrive_drop")            \
  X(kTestWait, "test_wait") X(kTryWait, "try_wait") X(kPendingCount, "pending_count")              \
  X(kNoComplete, "noComplete") X(kParity, "parity") X(kMbarrier, "mbarrier")                       \
  X(kMbarrierInit, "mbarrier_init") X(kSyncRestrictSharedCta, "sync_restrict::shared::cta")        \
  X(kSyncRestrictSharedCluster, "sync_restrict::shared::cluster")                                  \
  X(kThreadAcquire, "thread_acquire") X(kThreadRelease, "thread_release") X(kDim1d, "1d")          \
  X(kDim2d, "2d") X(kDim3d, "3d") X(kDim4d, "4d") X(kDim5d, "5d") X(kDimA1d, "a1d")                \
  X(kDimA2d, "a2d") X(kDimA3d, "a3d") X(kDimCube, "cube") X(kDimAcube, "acube")                    \
  X(kDim2dms, "2dms") X(kDimA2dms, "a2dms") X(kLevel, "level") X(kGrad, "grad") X(kBase, "base")   \
  X(kComponentR, "r") X(kComponentG, "g") X(kComponentB, "b") X(kComponentA, "a")                  \
  X(kTrap, "trap") X(kZero, "zero") X(kFormatted, "p") X(kWidth, "width") X(kHeight, "height")     \
  X(kDepth, "depth") X(kChannelDataType, "channel_data_type") X(kChannelOrder, "channel_order")    \
  X(kNormalizedCoords, "normalized_coords") X(kArraySize, "array_size")                            \
  X(kNumMipmapLevels, "num_mipmap_levels") X(kNumSamples, "num_samples")                           \
  X(kForceUnnormalizedCoords, "force_unnormalized_coords") X(kFilterMode, "filter_mode")           \
  X(kAddrMode0, "addr_mode_0") X(kAddrMode1, "addr_mode_1") X(kAddrMode2, "addr_mode_2")           \
  X(kMma, "mma") X(kSp, "sp") X(kLoad, "load") X(kStore, "store") X(kRow, "row") X(kCol, "col")    \
  X(kOrderedMetadata, "ordered_metadata") X(kM8n8k4, "m8n8k4") X(kM8n8k16, "m8n8k16")              \
  X(kM8n8k32, "m8n8k32") X(kM8n8k128, "m8n8k128") X(kM16n8k4, "m16n8k4") X(kM16n8k8, "m16n8k8")    \
  X(kM16n8k16, "m16n8k16") X(kM16n8k32, "m16n8k32") X(kM16n8k64, "m16n8k64")                       \
  X(kM16n8k128, "m16n8k128") X(kM16n8k256, "m16n8k256") X(kM16n16k16, "m16n16k16")                 \
  X(kM32n8k16, "m32n8k16") X(kM8n32k16, "m8n32k16") X(kM16n16k8, "m16n16k8") X(kM8n8, "m8n8")      \
  X(kM8n16, "m8n16") X(kM16n8, "m16n8") X(kM16n16, "m16n16") X(kTrans, "trans")                    \
  X(kKindF8f6f4, "kind::f8f6f4") X(kKindMxf8f6f4, "kind::mxf8f6f4") X(kKindMxf4, "kind::mxf4")     \
  X(kKindMxf4nvf4, "kind::mxf4nvf4") X(kKindF16, "kind::f16") X(kKindTf32, "kind::tf32")           \
  X(kKindI8, "kind::i8") X(kBlockScale, "block_scale") X(kScaleVec1X, "scale_vec::1X")             \
  X(kScaleVec2X, "scale_vec::2X") X(kScaleVec4X, "scale_vec::4X") X(kBlock16, "block16")           \
  X(kBlock32, "block32") X(kFence, "fence") X(kCommit, "commit") X(kWait, "wait")                  \
  X(kMmaAsync, "mma_async") X(kAlloc, "alloc") X(kDealloc, "dealloc")                              \
  X(kRelinquishAllocPermit, "relinquish_alloc_permit") X(kLd, "ld") X(kSt, "st") X(kCp, "cp")      \
  X(kShift, "shift") X(kCtaGroup1, "cta_group::1") X(kCtaGroup2, "cta_group::2")                   \
  X(kShape16x64b, "16x64b") X(kShape16x128b, "16x128b") X(kShape16x256b, "16x256b")                \
  X(kShape32x32b, "32x32b") X(kShape16x32bx2, "16x32bx2") X(kShape64x128b, "64x128b")              \
  X(kShape128x256b, "128x256b") X(kShape4x256b, "4x256b") X(kShape128x128b, "128x128b")            \
  X(kShape32x128b, "32x128b") X(kWarpx20213, "warpx2::02_13") X(kWarpx20123, "warpx2::01_23")      \
  X(kWarpx4, "warpx4") X(kPack16b, "pack::16b") X(kUnpack16b, "unpack::16b")                       \
  X(kAshift, "ashift") X(kWs, "ws") X(kCollectorAFill, "collector::a::fill")                       \
  X(kCollectorAUse, "collector::a::use") X(kCollectorALastuse, "collector::a::lastuse")            \
  X(kCollectorADiscard, "collector::a::discard") X(kCollectorB0Fill, "collector::b0::fill")        \
  X(kCollectorB0Use, "collector::b0::use") X(kCollectorB0Lastuse, "collector::b0::lastuse")        \
  X(kCollectorB0Discard, "collector::b0::discard") X(kCollectorB1Fill, "collector::b1::fill")      \
  X(kCollectorB1Use, "collector::b1::use") X(kCollectorB1Lastuse, "collector::b1::lastuse")        \
  X(kCollectorB1Discard, "collector::b1::discard") X(kCollectorB2Fill, "collector::b2::fill")      \
  X(kCollectorB2Use, "collector::b2::use") X(kCollectorB2Lastuse, "collector::b2::lastuse")        \
  X(kCollectorB2Discard, "collector::b2::discard") X(kCollectorB3Fill, "collector::b3::fill")      \
  X(kCollectorB3Use, "collector::b3::use") X(kCollectorB3Lastuse, "collector::b3::lastuse")        \
  X(kCollectorB3Discard, "collector::b3::discard") X(kBeforeThreadSync, "before_thread_sync")      \
  X(kAfterThreadSync, "after_thread_sync") X(kAccF32, "acc::f32") X(kAccF16, "acc::f16")           \
  X(kLdReduce, "ld_reduce") X(kFractional, "fractional") X(kRange, "range") X(kCvt, "cvt")         \
  X(kLaunchDependents, "launch_dependents") X(kQueryCancel, "query_cancel")                        \
  X(kIsCanceled, "is_canceled") X(kGetFirstCtaid, "get_first_ctaid")                               \
  X(kGetFirstCtaidX, "get_first_ctaid::x") X(kGetFirstCtaidY, "get_first_ctaid::y")                \
  X(kGetFirstCtaidZ, "get_first_ctaid::z") X(kTryCancel, "try_cancel")                             \
  X(kMulticastClusterAll, "multicast::cluster::all") X(kReplace, "replace")                        \
  X(kTileMode, "tile_mode") X(kGlobalAddress, "global_address") X(kRank, "rank")                   \
  X(kBoxDim, "box_dim") X(kGlobalDim, "global_dim") X(kGlobalStride, "global_stride")              \
  X(kElementStride, "element_stride") X(kElemtype, "elemtype")                                     \
  X(kInterleaveLayout, "interleave_layout") X(kSwizzleMode, "swizzle_mode")                        \
  X(kSwizzleAtomicity, "swizzle_atomicity") X(kFillMode, "fill_mode")                              \
  X(kCpFenceproxy, "cp_fenceproxy") X(kB1024, "b1024") X(kMatrixC, "c") X(kMatrixD, "d")           \
  X(kL, "l") X(kOob, "oob") X(kPack, "pack") X(kNoinc, "noinc") X(kMask, "mask") X(kPo, "po")      \
  X(kShr7, "shr7") X(kShr15, "shr15") X(kUnified, "unified")                                       \
  X(kSpOrderedMetadata, "sp::ordered_metadata")                                                    \
  X(kOpRestrictMbarrierInit, "op_restrict::mbarrier_init")
// clang-format on

enum class Modifier : uint16_t {
  kNone = 0,
  // 1 … 127: the types, with the number they have in Type.
  kBeforeFirst = 127,
#define FARLANE_PTX_ENUMERATOR(name, text) name,
  FARLANE_PTX_MODIFIERS(FARLANE_PTX_ENUMERATOR)
#undef FARLANE_PTX_ENUMERATOR
      kCount,
  kFirstExtra = 0x8000,
};

static_assert(static_cast<int>(Type::kCount) <= static_cast<int>(Modifier::kBeforeFirst));

constexpr Modifier ToModifier(Type type) {
  return static_cast<Modifier>(type);
}

// The type a modifier names, kNone if it is not a type.
constexpr Type TypeOf(Modifier modifier) {
  return static_cast<uint16_t>(modifier) < static_cast<uint16_t>(Type::kCount)
             ? static_cast<Type>(modifier)
             : Type::kNone;
}

constexpr bool IsExtra(Modifier modifier) {
  return modifier >= Modifier::kFirstExtra;
}

// The modifier spelled `name` (no dot), types included; kNone if the list does not know it.
Modifier FindModifier(std::string_view name);

// Spelling without the dot; empty for kNone and for extras (ask their Body).
std::string_view NameOf(Modifier modifier);

}  // namespace farlane::soft::ptx
