// SPDX-License-Identifier: Apache-2.0
// Ways in which a kernel can reach memory, one each, as PTX: (address, value) -> nothing.
#pragma once

namespace farlane::wild {

// In front of each body: %rd1 is the address, %r1 the value.
constexpr char kHeader[] = R"(.version 7.0
.target sm_70
.address_size 64
)";

constexpr char kEntry[] = R"((.param .u64 address, .param .u32 value)
{
  .reg .b16 %h<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  .shared .align 16 .b8 own_shared[64];
  .local .align 16 .b8 own_local[64];
  ld.param.u64 %rd1, [address];
  ld.param.u32 %r1, [value];
  cvt.u32.u64 %r2, %rd1;
)";

constexpr char kEnd[] = "  ret;\n}\n";

// Where the address of a way counts.
enum class Space { kGlobal, kOwnShared, kOwnLocal };

struct Way {
  const char* name;
  Space space;
  const char* body;
};

// The value arrives at the address in every way that writes to global memory, alone or first of
// several, where there was zero before.
constexpr Way kWays[] = {
    {"store", Space::kGlobal, "  st.global.u32 [%rd1], %r1;\n"},
    {"generic", Space::kGlobal, "  st.u32 [%rd1], %r1;\n"},
    {"byte", Space::kGlobal, "  cvt.u16.u32 %h1, %r1;\n  st.global.u8 [%rd1], %h1;\n"},
    {"pair", Space::kGlobal, "  st.global.v2.u32 [%rd1], {%r1, %r1};\n"},
    {"four", Space::kGlobal, "  st.global.v4.u32 [%rd1], {%r1, %r1, %r1, %r1};\n"},
    {"volatile", Space::kGlobal, "  st.volatile.global.u32 [%rd1], %r1;\n"},
    {"release", Space::kGlobal, "  st.release.gpu.global.u32 [%rd1], %r1;\n"},
    {"add", Space::kGlobal, "  atom.global.add.u32 %r3, [%rd1], %r1;\n"},
    {"reduce", Space::kGlobal, "  red.global.or.b32 [%rd1], %r1;\n"},
    {"exchange", Space::kGlobal, "  atom.exch.b32 %r3, [%rd1], %r1;\n"},
    {"swap", Space::kGlobal,
     "  cvt.u64.u32 %rd2, %r1;\n  mov.u64 %rd3, 0;\n"
     "  atom.global.cas.b64 %rd4, [%rd1], %rd3, %rd2;\n"},
    // Far from a base that is right, by an immediate and by an index.
    {"offset", Space::kGlobal, "  sub.s64 %rd2, %rd1, 4096;\n  st.global.u32 [%rd2+4096], %r1;\n"},
    {"load", Space::kGlobal, "  ld.volatile.global.u32 %r3, [%rd1];\n"},
    {"shared", Space::kOwnShared, "  st.shared.u32 [%r2], %r1;\n"},
    {"shared-add", Space::kOwnShared, "  atom.shared.add.u32 %r3, [%r2], %r1;\n"},
    {"local", Space::kOwnLocal, "  st.local.u32 [%rd1], %r1;\n"},
    // An address that goes through the space it does not belong to.
    {"through-shared", Space::kGlobal,
     "  cvta.to.shared.u64 %rd2, %rd1;\n  cvta.shared.u64 %rd3, %rd2;\n  st.u32 [%rd3], %r1;\n"},
};

}  // namespace farlane::wild
