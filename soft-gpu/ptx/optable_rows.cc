// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/optable_rows.h"

#include <array>

namespace farlane::soft::ptx {

namespace {

constexpr std::array kSets = std::to_array<SetRow>({
    {"$int", "u16|u32|u64|s16|s32|s64"},
    {"$word", "u32|s32|u64|s64"},
    {"$bits", "b16|b32|b64"},
    {"$scalar", "b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64"},
    {"$memory", "b8|b16|b32|b64|b128|u8|u16|u32|u64|s8|s16|s32|s64|f32|f64|f16|f16x2|bf16|bf16x2"},
    {"$rnd", "rn|rz|rm|rp"},
    {"$irnd", "rni|rzi|rmi|rpi"},
    {"$half", "f16|f16x2"},
    {"$brain", "bf16|bf16x2"},
    {"$icmp", "eq|ne|lt|le|gt|ge|lo|ls|hi|hs"},
    {"$fcmp", "eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan"},
    {"$bool", "and|or|xor"},
    {"$space",
     "global|shared|shared::cta|shared::cluster|local|const|param|param::entry|param::func"},
    {"$shared", "shared|shared::cta|shared::cluster"},
    {"$scope", "cta|cluster|gpu|sys"},
    {"$L1", "L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate"},
    {"$L2", "L2::evict_normal|L2::evict_first|L2::evict_last"},
    {"$fetch", "L2::64B|L2::128B|L2::256B"},
    {"$sem", "relaxed|acquire|release|acq_rel"},
    {"$small", "e4m3x2|e5m2x2|e3m2x2|e2m3x2|e2m1x2|ue8m0x2"},
    {"$small4", "e4m3x4|e5m2x4|e3m2x4|e2m3x4|e2m1x4"},
    {"$texdim", "1d|2d|3d|a1d|a2d|cube|acube|2dms|a2dms"},
    {"$video", "u32|s32"},
});

using O = Opcode;
using S = Stage;

constexpr std::array kIntegerRows = std::to_array<FormRow>({
    {O::kAdd, S::kS0, "u16|u32|u64|s16|s64|u16x2|s16x2 : dst src src"},
    {O::kAdd, S::kS0, "?sat s32 : dst src src"},
    {O::kAdd, S::kS0, "cc $word : dst src src"},
    {O::kSub, S::kS0, "u16|u32|u64|s16|s64 : dst src src"},
    {O::kSub, S::kS0, "?sat s32 : dst src src"},
    {O::kSub, S::kS0, "cc $word : dst src src"},
    {O::kMul, S::kS0, "hi|lo $int : dst src src"},
    {O::kMul, S::kS0, "wide u16|u32|s16|s32 : dst src src"},
    {O::kMad, S::kS0, "hi|lo $int : dst src src src"},
    {O::kMad, S::kS0, "wide u16|u32|s16|s32 : dst src src src"},
    {O::kMad, S::kS0, "hi sat s32 : dst src src src"},
    {O::kMad, S::kS0, "hi|lo cc $word : dst src src src"},
    {O::kAddc, S::kS0, "?cc $word : dst src src"},
    {O::kSubc, S::kS0, "?cc $word : dst src src"},
    {O::kMadc, S::kS0, "hi|lo ?cc $word : dst src src src"},
    {O::kMul24, S::kS0, "hi|lo u32|s32 : dst src src"},
    {O::kMad24, S::kS0, "hi|lo u32|s32 : dst src src src"},
    {O::kMad24, S::kS0, "hi sat s32 : dst src src src"},
    {O::kDiv, S::kS0, "$int : dst src src"},
    {O::kRem, S::kS0, "$int : dst src src"},
    {O::kSad, S::kS0, "$int : dst src src src"},
    {O::kAbs, S::kS0, "s16|s32|s64 : dst src"},
    {O::kNeg, S::kS0, "s16|s32|s64 : dst src"},
    {O::kMin, S::kS0, "u16|u32|u64|s16|s64|u16x2 : dst src src"},
    {O::kMin, S::kS0, "?relu s32|s16x2 : dst src src"},
    {O::kMax, S::kS0, "u16|u32|u64|s16|s64|u16x2 : dst src src"},
    {O::kMax, S::kS0, "?relu s32|s16x2 : dst src src"},
    {O::kAnd, S::kS0, "pred|$bits : dst src src"},
    {O::kOr, S::kS0, "pred|$bits : dst src src"},
    {O::kXor, S::kS0, "pred|$bits : dst src src"},
    {O::kNot, S::kS0, "pred|$bits : dst src"},
    {O::kCnot, S::kS0, "$bits : dst src"},
    {O::kShl, S::kS0, "$bits : dst src src"},
    {O::kShr, S::kS0, "$bits|$int : dst src src"},
    {O::kShf, S::kS0, "l|r clamp|wrap b32 : dst src src src"},
    {O::kBfe, S::kS0, "$word : dst src src src"},
    {O::kBfi, S::kS0, "b32|b64 : dst src src src src"},
    {O::kBfind, S::kS0, "?shiftamt $word : dst src"},
    {O::kBrev, S::kS0, "b32|b64 : dst src"},
    {O::kClz, S::kS0, "b32|b64 : dst src"},
    {O::kPopc, S::kS0, "b32|b64 : dst src"},
    {O::kPrmt, S::kS0, "b32 ?f4e|b4e|rc8|ecl|ecr|rc16 : dst src src src"},
    {O::kLop3, S::kS0, "b32 : dst src src src imm"},
    {O::kLop3, S::kS0, "or|and b32 : dst|pred src src src imm pred"},
    {O::kBmsk, S::kS0, "clamp|wrap b32 : dst src src"},
    {O::kSzext, S::kS0, "clamp|wrap u32|s32 : dst src src"},
    {O::kFns, S::kS0, "b32 : dst src src src"},
    {O::kDp4a, S::kS0, "u32|s32 u32|s32 : dst src src src"},
    {O::kDp2a, S::kS0, "lo|hi u32|s32 u32|s32 : dst src src src"},
});

constexpr std::array kFloatRows = std::to_array<FormRow>({
    {O::kAdd, S::kS0, "?$rnd ?ftz ?sat f32 : dst src src"},
    {O::kAdd, S::kS0, "?$rnd f64 : dst src src"},
    {O::kAdd, S::kS2, "?$rnd ?ftz f32x2 : dst src src"},
    {O::kAdd, S::kS2, "?rn ?ftz ?sat $half : dst src src"},
    {O::kAdd, S::kS2, "?rn $brain : dst src src"},
    {O::kAdd, S::kS2, "?$rnd ?sat f32 f16|bf16 : dst src src"},
    {O::kSub, S::kS0, "?$rnd ?ftz ?sat f32 : dst src src"},
    {O::kSub, S::kS0, "?$rnd f64 : dst src src"},
    {O::kSub, S::kS2, "?$rnd ?ftz f32x2 : dst src src"},
    {O::kSub, S::kS2, "?rn ?ftz ?sat $half : dst src src"},
    {O::kSub, S::kS2, "?rn $brain : dst src src"},
    {O::kSub, S::kS2, "?$rnd ?sat f32 f16|bf16 : dst src src"},
    {O::kMul, S::kS0, "?$rnd ?ftz ?sat f32 : dst src src"},
    {O::kMul, S::kS0, "?$rnd f64 : dst src src"},
    {O::kMul, S::kS2, "?$rnd ?ftz f32x2 : dst src src"},
    {O::kMul, S::kS2, "?rn ?ftz ?sat $half : dst src src"},
    {O::kMul, S::kS2, "?rn $brain : dst src src"},
    {O::kMad, S::kS0, "?$rnd ?ftz ?sat f32 : dst src src src"},
    {O::kMad, S::kS0, "$rnd f64 : dst src src src"},
    {O::kFma, S::kS0, "$rnd ?ftz ?sat f32 : dst src src src"},
    {O::kFma, S::kS0, "$rnd f64 : dst src src src"},
    {O::kFma, S::kS2, "$rnd ?ftz f32x2 : dst src src src"},
    {O::kFma, S::kS2, "rn ?ftz ?sat $half : dst src src src"},
    {O::kFma, S::kS2, "rn ?ftz relu $half : dst src src src"},
    {O::kFma, S::kS2, "rn ?relu $brain : dst src src src"},
    {O::kFma, S::kS2, "rn oob ?relu $half|$brain : dst src src src"},
    {O::kFma, S::kS2, "$rnd ?sat f32 f16|bf16 : dst src src src"},
    {O::kDiv, S::kS0, "approx|full ?ftz f32 : dst src src"},
    {O::kDiv, S::kS0, "$rnd ?ftz f32 : dst src src"},
    {O::kDiv, S::kS0, "$rnd f64 : dst src src"},
    {O::kAbs, S::kS0, "?ftz f32 : dst src"},
    {O::kAbs, S::kS0, "f64 : dst src"},
    {O::kAbs, S::kS2, "?ftz $half : dst src"},
    {O::kAbs, S::kS2, "$brain : dst src"},
    {O::kNeg, S::kS0, "?ftz f32 : dst src"},
    {O::kNeg, S::kS0, "f64 : dst src"},
    {O::kNeg, S::kS2, "?ftz $half : dst src"},
    {O::kNeg, S::kS2, "$brain : dst src"},
    {O::kMin, S::kS0, "?ftz ?NaN ?xorsign ?abs f32 : dst src src"},
    {O::kMin, S::kS0, "?ftz ?NaN ?abs f32 : dst src src src"},
    {O::kMin, S::kS0, "f64 : dst src src"},
    {O::kMin, S::kS2, "?ftz ?NaN ?xorsign ?abs $half : dst src src"},
    {O::kMin, S::kS2, "?NaN ?xorsign ?abs $brain : dst src src"},
    {O::kMax, S::kS0, "?ftz ?NaN ?xorsign ?abs f32 : dst src src"},
    {O::kMax, S::kS0, "?ftz ?NaN ?abs f32 : dst src src src"},
    {O::kMax, S::kS0, "f64 : dst src src"},
    {O::kMax, S::kS2, "?ftz ?NaN ?xorsign ?abs $half : dst src src"},
    {O::kMax, S::kS2, "?NaN ?xorsign ?abs $brain : dst src src"},
    {O::kRcp, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kRcp, S::kS0, "$rnd ?ftz f32 : dst src"},
    {O::kRcp, S::kS0, "$rnd f64 : dst src"},
    {O::kRcp, S::kS0, "approx ftz f64 : dst src"},
    {O::kSqrt, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kSqrt, S::kS0, "$rnd ?ftz f32 : dst src"},
    {O::kSqrt, S::kS0, "$rnd f64 : dst src"},
    {O::kRsqrt, S::kS0, "approx ?ftz f32|f64 : dst src"},
    {O::kEx2, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kEx2, S::kS2, "approx $half : dst src"},
    {O::kEx2, S::kS2, "approx ftz $brain : dst src"},
    {O::kLg2, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kSin, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kCos, S::kS0, "approx ?ftz f32 : dst src"},
    {O::kTanh, S::kS0, "approx f32 : dst src"},
    {O::kTanh, S::kS2, "approx $half|$brain : dst src"},
    {O::kCopysign, S::kS0, "f32|f64 : dst src src"},
    {O::kTestp, S::kS0, "finite|infinite|number|notanumber|normal|subnormal f32|f64 : dst src"},
});

constexpr std::array kCompareRows = std::to_array<FormRow>({
    {O::kSetp, S::kS0, "$icmp $bits|$int : pred|pred src src"},
    {O::kSetp, S::kS0, "$icmp $bool $bits|$int : pred|pred src src pred"},
    {O::kSetp, S::kS0, "$fcmp ?ftz f32|f64 : pred|pred src src"},
    {O::kSetp, S::kS0, "$fcmp $bool ?ftz f32|f64 : pred|pred src src pred"},
    {O::kSetp, S::kS2, "$fcmp ?ftz $half|$brain : pred|pred src src"},
    {O::kSetp, S::kS2, "$fcmp $bool ?ftz $half|$brain : pred|pred src src pred"},
    {O::kSet, S::kS0, "$icmp u32|s32|f32 $bits|$int : dst src src"},
    {O::kSet, S::kS0, "$icmp $bool u32|s32|f32 $bits|$int : dst src src pred"},
    {O::kSet, S::kS0, "$fcmp ?ftz u32|s32|f32 f32|f64 : dst src src"},
    {O::kSet, S::kS0, "$fcmp $bool ?ftz u32|s32|f32 f32|f64 : dst src src pred"},
    {O::kSet, S::kS2,
     "$fcmp ?ftz u16|s16|u32|s32|f16|bf16|f16x2|bf16x2 $half|$brain : dst src src"},
    {O::kSet, S::kS2,
     "$fcmp $bool ?ftz u16|s16|u32|s32|f16|bf16|f16x2|bf16x2 $half|$brain : dst src src pred"},
    {O::kSet, S::kS2, "$icmp|$fcmp ?$bool ?ftz f16 $bits|$int|f32|f64 : dst src src ?pred"},
    {O::kSelp, S::kS0, "$scalar : dst src src pred"},
    {O::kSlct, S::kS0, "?ftz $scalar s32|f32 : dst src src src"},
});

constexpr std::array kConvertRows = std::to_array<FormRow>({
    {O::kCvt, S::kS0, "?$rnd|$irnd ?ftz ?sat u8|s8|$int|f32|f64 u8|s8|$int|f32|f64 : dst src"},
    {O::kCvt, S::kS2, "?$rnd|$irnd ?ftz ?sat f16|bf16 u8|s8|$int|f32|f64|f16|bf16 : dst src"},
    {O::kCvt, S::kS2, "?$rnd|$irnd ?ftz ?sat u8|s8|$int|f32|f64 f16|bf16 : dst src"},
    {O::kCvt, S::kS2, "rn|rz ?relu ?satfinite f16|bf16 f32 : dst src"},
    {O::kCvt, S::kS2, "rn|rz|rna ?relu ?satfinite tf32 f32 : dst src"},
    {O::kCvt, S::kS2, "rn|rz ?relu ?satfinite f16x2|bf16x2 f32 : dst src src"},
    {O::kCvt, S::kS6, "rs ?relu ?satfinite f16x2|bf16x2 f32 : dst src src src"},
    {O::kCvt, S::kS2, "rn|rz|rp ?satfinite ?relu $small f32 : dst src src"},
    {O::kCvt, S::kS2, "rn|rz|rp ?satfinite ?relu $small f16x2|bf16x2 : dst src"},
    {O::kCvt, S::kS2, "rn ?relu f16x2|bf16x2 $small : dst src"},
    {O::kCvt, S::kS6, "rs ?relu satfinite $small4 f32 : dst src.v src"},
    {O::kCvt, S::kS0, "pack sat u16|s16 s32 : dst src src"},
    {O::kCvt, S::kS0, "pack sat u8|s8|u4|s4|u2|s2 s32 b32 : dst src src src"},
    {O::kCvta, S::kS0, "$space u32|u64 : dst src"},
    {O::kCvta, S::kS0, "to $space u32|u64 : dst src"},
    {O::kIsspacep, S::kS0, "$space : dst src"},
});

constexpr std::array kMemoryRows = std::to_array<FormRow>({
    {O::kMov, S::kS0, "pred|b128|$scalar : dst.v src.v"},
    {O::kMov, S::kS0, "v2|v4 $scalar : dst.v src.v"},
    {O::kLd, S::kS0,
     "?weak|volatile ?$space ?nc ?ca|cg|cs|lu|cv ?$L1 ?$L2 ?L2::cache_hint ?$fetch ?v2|v4|v8 "
     "$memory : dst.v [addr] ?src"},
    {O::kLd, S::kS1,
     "?mmio relaxed|acquire $scope ?$space ?$L1 ?$L2 ?L2::cache_hint ?$fetch ?v2|v4|v8 $memory "
     ": dst.v [addr] ?src"},
    {O::kLdu, S::kS0, "?global ?v2|v4 $memory : dst.v [addr]"},
    {O::kSt, S::kS0,
     "?weak|volatile ?$space ?wb|cg|cs|wt ?$L1 ?$L2 ?L2::cache_hint ?v2|v4|v8 $memory "
     ": [addr] src.v ?src"},
    {O::kSt, S::kS1,
     "?mmio relaxed|release $scope ?$space ?$L1 ?$L2 ?L2::cache_hint ?v2|v4|v8 $memory "
     ": [addr] src.v ?src"},
    {O::kSt, S::kS6, "async * : [addr] src.v [addr]"},
    {O::kSt, S::kS6, "bulk * : [addr] src src"},
    {O::kPrefetch, S::kS0, "?global|local L1|L2 : [addr]"},
    {O::kPrefetch, S::kS0, "global L2::evict_last|L2::evict_normal : [addr]"},
    {O::kPrefetch, S::kNever, "?param|const tensormap : [addr]"},
    {O::kPrefetchu, S::kS0, "L1 : [addr]"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared and|or|xor ?L2::cache_hint b32|b64 : dst [addr] src ?src"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared cas ?L2::cache_hint b16|b32|b64|b128 : dst [addr] src src "
     "?src"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared exch ?L2::cache_hint b32|b64|b128 : dst [addr] src ?src"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared add ?L2::cache_hint u32|u64|s32|s64|f32|f64 : dst [addr] src "
     "?src"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared inc|dec ?L2::cache_hint u32 : dst [addr] src ?src"},
    {O::kAtom, S::kS1,
     "?$sem ?$scope ?global|$shared min|max ?L2::cache_hint $word : dst [addr] src ?src"},
    {O::kAtom, S::kS2,
     "?$sem ?$scope ?global|$shared add|min|max noftz ?L2::cache_hint $half|$brain : dst [addr] "
     "src ?src"},
    {O::kAtom, S::kS6,
     "?$sem ?$scope ?global add|min|max ?noftz ?L2::cache_hint v2|v4|v8 f32|$half|$brain : dst.v "
     "[addr] src.v ?src"},
    {O::kRed, S::kS1,
     "?$sem ?$scope ?global|$shared and|or|xor ?L2::cache_hint b32|b64 : [addr] src ?src"},
    {O::kRed, S::kS1,
     "?$sem ?$scope ?global|$shared add ?L2::cache_hint u32|u64|s32|s64|f32|f64 : [addr] src "
     "?src"},
    {O::kRed, S::kS1,
     "?$sem ?$scope ?global|$shared inc|dec ?L2::cache_hint u32 : [addr] src ?src"},
    {O::kRed, S::kS1,
     "?$sem ?$scope ?global|$shared min|max ?L2::cache_hint $word : [addr] src ?src"},
    {O::kRed, S::kS2,
     "?$sem ?$scope ?global|$shared add|min|max noftz ?L2::cache_hint $half|$brain : [addr] src "
     "?src"},
    {O::kRed, S::kS6,
     "?$sem ?$scope ?global add|min|max ?noftz ?L2::cache_hint v2|v4|v8 f32|$half|$brain : [addr] "
     "src.v ?src"},
    {O::kRed, S::kS6, "async * : [addr] src [addr]"},
    {O::kAlloca, S::kS1, "u32|u64 : dst src ?imm"},
    {O::kStacksave, S::kS1, "u32|u64 : dst"},
    {O::kStackrestore, S::kS1, "u32|u64 : src"},
});

constexpr std::array kControlRows = std::to_array<FormRow>({
    {O::kBra, S::kS0, "?uni : label"},
    {O::kBrx, S::kS0, "idx ?uni : src table"},
    {O::kCall, S::kS1, "?uni : any any any any"},
    {O::kRet, S::kS0, "?uni"},
    {O::kExit, S::kS0, ""},
    {O::kTrap, S::kS0, ""},
    {O::kBrkpt, S::kS0, ""},
    {O::kPmevent, S::kS0, "?mask : imm"},
    {O::kNanosleep, S::kS0, "u32 : src"},
    {O::kBar, S::kS1, "?cta sync : src ?src"},
    {O::kBar, S::kS1, "?cta arrive : src src"},
    {O::kBar, S::kS1, "?cta red popc u32 : dst src ?src pred"},
    {O::kBar, S::kS1, "?cta red and|or pred : dst src ?src pred"},
    {O::kBar, S::kS2, "warp sync : src"},
    {O::kBarrier, S::kS2, "?cta sync ?aligned : src ?src"},
    {O::kBarrier, S::kS2, "?cta arrive ?aligned : src src"},
    {O::kBarrier, S::kS2, "?cta red ?aligned popc u32 : dst src ?src pred"},
    {O::kBarrier, S::kS2, "?cta red ?aligned and|or pred : dst src ?src pred"},
    {O::kBarrier, S::kS6, "cluster arrive ?release|relaxed ?aligned"},
    {O::kBarrier, S::kS6, "cluster wait ?acquire ?aligned"},
    {O::kMembar, S::kS1, "cta|gl|sys"},
    {O::kMembar, S::kS4, "proxy *"},
    {O::kFence, S::kS1, "?sc|acq_rel|acquire|release $scope"},
    {O::kFence, S::kS6,
     "acquire|release sync_restrict::shared::cta|sync_restrict::shared::cluster "
     "cluster"},
    {O::kFence, S::kS4, "mbarrier_init release cluster"},
    {O::kFence, S::kS4, "proxy alias|async ?global|$shared"},
    {O::kFence, S::kNever, "proxy * : ?[addr] ?imm"},
});

constexpr std::array kWarpRows = std::to_array<FormRow>({
    {O::kShfl, S::kS2, "sync up|down|bfly|idx b32 : dst|pred src src src src"},
    {O::kShfl, S::kS2, "up|down|bfly|idx b32 : dst|pred src src src"},
    {O::kVote, S::kS2, "sync all|any|uni pred : dst pred src"},
    {O::kVote, S::kS2, "all|any|uni pred : dst pred"},
    {O::kVote, S::kS2, "sync ballot b32 : dst pred src"},
    {O::kVote, S::kS2, "ballot b32 : dst pred"},
    {O::kMatch, S::kS2, "any|all sync b32|b64 : dst|pred src src"},
    {O::kActivemask, S::kS2, "b32 : dst"},
    {O::kRedux, S::kS2, "sync add u32|s32 : dst src src"},
    {O::kRedux, S::kS2, "sync min|max u32|s32 : dst src src"},
    {O::kRedux, S::kS2, "sync and|or|xor b32 : dst src src"},
    {O::kRedux, S::kS2, "sync min|max ?abs ?NaN f32 : dst src src"},
    {O::kElect, S::kS2, "sync : dst|pred src"},
    {O::kMma, S::kS5, "sync aligned * : dst.v src.v src.v src.v"},
    {O::kMma, S::kS5, "sp|sp::ordered_metadata sync aligned * : dst.v src.v src.v src.v src src"},
    {O::kMma, S::kNever,
     "sync aligned block_scale * : dst.v src.v src.v src.v src src.v src src.v"},
    {O::kMma, S::kNever,
     "sp::ordered_metadata sync aligned block_scale * : dst.v src.v src.v src.v src src src src.v "
     "src src.v"},
    {O::kWmma, S::kS5, "load sync aligned * : dst.v [addr] ?src"},
    {O::kWmma, S::kS5, "store sync aligned * : [addr] src.v ?src"},
    {O::kWmma, S::kS5, "mma * : dst.v src.v src.v src.v"},
    {O::kLdmatrix, S::kS5, "sync aligned m8n8 x1|x2|x4 ?trans ?$shared b16 : dst.v [addr]"},
    {O::kLdmatrix, S::kS6, "sync aligned m8n16|m16n16 * : dst.v [addr]"},
    {O::kStmatrix, S::kS5,
     "sync aligned m8n8|m16n8 x1|x2|x4 ?trans ?$shared b16|b8 : [addr] src.v"},
    {O::kMovmatrix, S::kS5, "sync aligned m8n8 trans b16 : dst src"},
});

constexpr std::array kAsyncRows = std::to_array<FormRow>({
    {O::kCp, S::kS4,
     "async ca|cg shared|shared::cta global ?L2::cache_hint ?$fetch : [addr] [addr] imm ?src ?src"},
    {O::kCp, S::kS4, "async commit_group"},
    {O::kCp, S::kS4, "async wait_group : imm"},
    {O::kCp, S::kS4, "async wait_all"},
    {O::kCp, S::kS4, "async mbarrier arrive ?noinc ?shared|shared::cta b64 : [addr]"},
    {O::kCp, S::kS6, "async bulk commit_group"},
    {O::kCp, S::kS6, "async bulk wait_group ?read : imm"},
    {O::kCp, S::kNever, "async bulk tensor * : any any ?any ?any ?any ?any ?any ?any"},
    {O::kCp, S::kNever, "reduce async bulk tensor * : any any ?any ?any ?any"},
    {O::kCp, S::kS6, "async bulk * : [addr] ?[addr] ?src ?[addr] ?src ?src ?src"},
    {O::kCp, S::kS6, "reduce async bulk * : [addr] [addr] src ?any ?src"},
    {O::kMbarrier, S::kS4, "init ?$shared b64 : [addr] src"},
    {O::kMbarrier, S::kS4, "inval ?$shared b64 : [addr]"},
    {O::kMbarrier, S::kS4,
     "arrive|arrive_drop ?expect_tx ?noComplete ?release|relaxed ?cta|cluster ?$shared b64 : dst "
     "[addr] ?src"},
    {O::kMbarrier, S::kS4, "expect_tx|complete_tx ?relaxed ?cta|cluster ?$shared b64 : [addr] src"},
    {O::kMbarrier, S::kS4,
     "test_wait|try_wait ?parity ?acquire|relaxed ?cta|cluster ?$shared b64 : dst [addr] src ?src"},
    {O::kMbarrier, S::kS4, "pending_count b64 : dst src"},
    {O::kGetctarank, S::kS6, "?shared::cluster u32|u64 : dst src"},
    {O::kMapa, S::kS6, "?shared::cluster u32|u64 : dst src src"},
    {O::kGriddepcontrol, S::kS6, "launch_dependents|wait"},
    {O::kClusterlaunchcontrol, S::kNever, "* : any any ?any"},
    {O::kApplypriority, S::kS6, "?global L2::evict_normal : [addr] imm"},
    {O::kDiscard, S::kS6, "?global L2 : [addr] imm"},
    {O::kCreatepolicy, S::kS6, "fractional * : dst ?src"},
    {O::kCreatepolicy, S::kS6, "range * : dst [addr] src src"},
    {O::kCreatepolicy, S::kS6, "cvt L2 b64 : dst src"},
    {O::kSetmaxnreg, S::kNever, "inc|dec sync aligned u32 : imm"},
    {O::kMultimem, S::kNever, "* : any any ?any ?any ?any"},
    {O::kTensormap, S::kNever, "* : any ?any ?any ?any"},
    {O::kTcgen05, S::kNever, "* : ?any ?any ?any ?any ?any ?any ?any ?any ?any"},
    {O::kWgmma, S::kNever, "* : ?any ?any ?any ?any ?any ?any ?any ?any ?any ?any"},
});

constexpr std::array kTextureRows = std::to_array<FormRow>({
    {O::kTex, S::kS3,
     "?base|level|grad $texdim|3d ?v2|v4 s32|u32|f32|f16x2|f16 s32|f32 : any "
     "[addr] ?src.v ?src.v ?src.v ?src"},
    {O::kTld4, S::kS3, "r|g|b|a 2d|a2d|cube|acube v4 s32|u32|f32 f32 : any [addr] ?src.v ?src"},
    {O::kTxq, S::kS3, "?level * : dst [addr] ?src"},
    {O::kIstypep, S::kS3, "texref|samplerref|surfref : dst src"},
    {O::kSuld, S::kS3,
     "b 1d|2d|3d|a1d|a2d ?ca|cg|cs|cv ?v2|v4 b8|b16|b32|b64 trap|clamp|zero : dst.v [addr]"},
    {O::kSust, S::kS3,
     "b|p 1d|2d|3d|a1d|a2d ?wb|cg|cs|wt ?v2|v4 b8|b16|b32|b64 trap|clamp|zero : [addr] src.v"},
    {O::kSured, S::kS3,
     "b|p add|min|max|and|or 1d|2d|3d u32|u64|s32|s64|b32|b64 trap|clamp|zero : [addr] src"},
    {O::kSuq, S::kS3, "* : dst [addr]"},
});

constexpr std::array kVideoRows = std::to_array<FormRow>({
    {O::kVadd, S::kS2, "$video $video $video ?sat ?add|min|max : dst src src ?src"},
    {O::kVsub, S::kS2, "$video $video $video ?sat ?add|min|max : dst src src ?src"},
    {O::kVabsdiff, S::kS2, "$video $video $video ?sat ?add|min|max : dst src src ?src"},
    {O::kVmin, S::kS2, "$video $video $video ?sat ?add|min|max : dst src src ?src"},
    {O::kVmax, S::kS2, "$video $video $video ?sat ?add|min|max : dst src src ?src"},
    {O::kVshl, S::kS2, "$video $video u32 ?sat clamp|wrap ?add|min|max : dst src src ?src"},
    {O::kVshr, S::kS2, "$video $video u32 ?sat clamp|wrap ?add|min|max : dst src src ?src"},
    {O::kVmad, S::kS2, "$video $video $video ?po ?sat ?shr7|shr15 : dst src src src"},
    {O::kVset, S::kS2, "$video $video eq|ne|lt|le|gt|ge ?add|min|max : dst src src ?src"},
    {O::kVadd2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVsub2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVavrg2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVabsdiff2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVmin2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVmax2, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVset2, S::kS2, "$video $video eq|ne|lt|le|gt|ge ?add : dst src src src"},
    {O::kVadd4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVsub4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVavrg4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVabsdiff4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVmin4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVmax4, S::kS2, "$video $video $video ?sat ?add : dst src src src"},
    {O::kVset4, S::kS2, "$video $video eq|ne|lt|le|gt|ge ?add : dst src src src"},
});

constexpr size_t kRowCount = kIntegerRows.size() + kFloatRows.size() + kCompareRows.size() +
                             kConvertRows.size() + kMemoryRows.size() + kControlRows.size() +
                             kWarpRows.size() + kAsyncRows.size() + kTextureRows.size() +
                             kVideoRows.size();

constexpr std::array<FormRow, kRowCount> JoinRows() {
  std::array<FormRow, kRowCount> all{};
  size_t next = 0;
  const auto append = [&all, &next](const auto& rows) {
    for (const FormRow& row : rows) {
      all[next++] = row;
    }
  };
  append(kIntegerRows);
  append(kFloatRows);
  append(kCompareRows);
  append(kConvertRows);
  append(kMemoryRows);
  append(kControlRows);
  append(kWarpRows);
  append(kAsyncRows);
  append(kTextureRows);
  append(kVideoRows);
  return all;
}

constexpr std::array<FormRow, kRowCount> kRows = JoinRows();

}  // namespace

std::span<const FormRow> FormRows() {
  return kRows;
}

std::span<const SetRow> SetRows() {
  return kSets;
}

}  // namespace farlane::soft::ptx
