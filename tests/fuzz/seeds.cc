// SPDX-License-Identifier: Apache-2.0
// Writes what the fuzzers start from: well-formed input of every kind that the readers know, made
// by the same builders that their unit tests use. Usage: fuzz_seeds FOLDER; each target gets a
// folder of its own in it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "protocol/abi/image.h"
#include "protocol/abi/module_package.h"
#include "protocol/channel/batch_writer.h"
#include "soft-gpu/ptx/opcode.h"
#include "soft-gpu/ptx/optable.h"
#include "tests/fuzz/likely_messages.h"
#include "tests/support/cubin_builder.h"
#include "tests/support/fatbin_builder.h"
#include "tests/support/memory_stream.h"

namespace {

using farlane::ConstBytes;
using farlane::support::BytesOf;
using farlane::support::CubinBuilder;
using farlane::support::FatbinBuilder;
using farlane::support::FatbinPart;
namespace ptx = farlane::soft::ptx;

const std::string kHead = ".version 9.0\n.target sm_100\n.address_size 64\n";

const char* const kDeclarations[] = {
    ".file 1 \"a.cu\"\n.pragma \"x\";\n.global .align 8 .u64 t[2] = {g+8, generic(g)};\n"
    ".global .u32 g;\n.global .b8 m[2] = {0xFF(g), 0xFF00(generic(g)+-3)};\n"
    ".const .f32 f[2][2] = {{1.5}, {0f7FC00001, 2}};\n.const .f64 d = 0dFFF0000000000000;\n"
    ".global .f16 h[3] = {1.5, -0.0, 1e-7};\n.global .v2 .u8 v[2] = {{1,2},{3}};\n"
    ".global .b128 big = -5;\n.extern .shared .align 16 .b8 dyn[];\n"
    ".global .samplerref s = {addr_mode_0 = wrap, filter_mode = linear};\n"
    ".global .attribute(.managed) .u32 man;\n.section .debug_str { .b8 1, 2 }\n",
    ".func (.param .b32 r) f(.param .b32 a, .reg .f32 b) .noreturn;\n.func q(.reg .b32 a) { ret; "
    "}\n.func al(.reg .b32 a);\n.alias al, q;\n.visible .entry k(.param .u64 .ptr .global .align 8 "
    "p, .param .align 4 .b8 s[12]) .maxntid 1, 2, 3 .minnctapersm 2 .maxnreg 32 .pragma \"y\"; { "
    "ret; }\n.weak .entry later(.param .u32 a) .reqntid 32 .reqnctapercluster 2 { ret; }\n"
    ".common .global .u32 c;\n.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 "
    "b);\n",
    ".const .s32 e[] = {(1 + 2) * 3 - 4 / 2 % 5, ~0x0F & 017 | 0b11 ^ 1, !0 && 1 || 0, 1 << 3 >> 1,"
    " 3 < 4, 3 >= 4, 1 == 2, 1 != 2, 1 ? 2 : 3, -1, +1, (.s64)5, (.u64)-5, 5U, 0x7U};\n"
    ".const .f32 r[] = {1.5e3, .5, 0f3f800000, 1.0 + 2.0, -3.0 * 2.0, 6.0 / 4.0};\n",
};

const char* const kBody =
    "  .reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<9>; .reg .b64 %d<9>; .reg .f32 %f<4>;\n"
    "  .reg .v4 .f32 vec; .shared .align 4 .b32 s[4]; .local .align 8 .b8 depot[16];\n"
    "  @!%p0 bra END;\n  .loc 1 2 3\n  .loc 1 3 4, function_name s+4, inlined_at 1 2 3\n"
    "  setp.lt.and.s32 %p0|%p1, %r0, -9223372036854775808, !%p2;\n"
    "  ld.global.v4.u32 {%r0, %r1, _, %r3}, [%d0+-8];\n  st.shared.u32 [s+4], %r1;\n"
    "  mov.b64 {%r0, %r1}, %d1;\n  mov.f32 %f0, vec.x;\n  vadd.u32.u32.u32 %r0, %r1.b0, %r2.h1;\n"
    "  mov.u32 %r0, %tid.x;\n  mov.u64 %d1, s;\n  .pragma \"nounroll\";\n"
    "  table: .branchtargets L, END;\n  brx.idx %r0, table;\n"
    "L: { .reg .b32 %r0; .param .b32 a; .param .b32 b; M: st.param.b32 [a], 3; call.uni (b), f, "
    "(a);\n    proto: .callprototype (.param .b32 _) _ (.param .b32 _) .noreturn;\n"
    "    call (b), %d1, (a), proto;\n    names: .calltargets f;\n    call (b), %d1, (a), names;\n"
    "    bra M; }\n/* a comment */ // another\nEND: ret;\n";

// Something of each kind that an operand can be.
std::string Operand(ptx::OperandRole role, size_t number) {
  const std::string n = std::to_string(number % 4);
  switch (role) {
    case ptx::OperandRole::kDestinationVector:
    case ptx::OperandRole::kSourceVector:
      return "{%r0, %r1}";
    case ptx::OperandRole::kDestinationPair:
      return "%r" + n + "|%p1";
    case ptx::OperandRole::kPredicatePair:
      return "%p" + n + "|%p1";
    case ptx::OperandRole::kPredicate:
      return "!%p" + n;
    case ptx::OperandRole::kAddress:
      return "[%d" + n + "+16]";
    case ptx::OperandRole::kImmediate:
      return "0x" + n;
    case ptx::OperandRole::kLabel:
      return "END";
    case ptx::OperandRole::kTable:
      return "table";
    default:
      return "%r" + n;
  }
}

// The first way in which a form can be written.
std::string Instruction(const ptx::Form& form) {
  std::string text = "  " + std::string(ptx::NameOf(form.opcode));
  for (const ptx::ModifierGroup& group : form.groups) {
    if (!group.is_optional) {
      text += "." + std::string(ptx::NameOf(group.choices.front()));
    }
  }
  const char* separator = " ";
  for (size_t i = 0; i < form.operands.size(); ++i) {
    text += separator + Operand(form.operands[i].role, i);
    separator = ", ";
  }
  return text + ";\n";
}

std::vector<std::string> PtxTexts() {
  std::vector<std::string> texts;
  for (const char* const declarations : kDeclarations) {
    texts.push_back(kHead + declarations);
  }
  const std::string function =
      ".func (.param .b32 r) f(.param .b32 a) { .reg .b32 %r; ld.param.b32 %r, [a]; st.param.b32 "
      "[r], %r; ret; }\n";
  texts.push_back(kHead + function + ".entry k(.param .u64 p)\n{\n" + kBody + "}\n");
  std::map<std::string, std::string> by_opcode;
  for (const ptx::Form& form : ptx::AllForms()) {
    by_opcode[std::string(ptx::NameOf(form.opcode))] += Instruction(form);
  }
  for (const auto& [name, instructions] : by_opcode) {
    texts.push_back(kHead +
                    ".entry k()\n{\n  .reg .pred %p<4>; .reg .b32 %r<4>; .reg .b64 %d<4>;\n"
                    "  table: .branchtargets END;\n" +
                    instructions + "END: ret;\n}\n");
  }
  return texts;
}

std::vector<std::vector<std::byte>> Cubins() {
  return {CubinBuilder(80, false).AddKernel("k", {{0, 8}, {8, 4}}, 12).Build(),
          CubinBuilder(100)
              .AddKernel("a", {{0, 8}, {8, 8}}, 16, true)
              .AddKernel("b", {}, 0)
              .AddVariable("g", ".nv.global", 64)
              .AddVariable("i", ".nv.global.init", 8)
              .AddVariable("c", ".nv.constant3", 16, true)
              .Build()};
}

std::vector<std::vector<std::byte>> Fatbins() {
  const std::vector<std::byte> text = BytesOf(kHead + kDeclarations[1]);
  const std::vector<std::byte> cubin = Cubins()[0];
  std::vector<std::vector<std::byte>> fatbins;
  fatbins.push_back(FatbinBuilder()
                        .Add({farlane::support::kPtxEntry, 80, 0, text, "a.cu"})
                        .Add({farlane::support::kElfEntry, 80, 0, cubin})
                        .Build());
  fatbins.push_back(
      FatbinBuilder()
          .Add({farlane::support::kPtxEntry, 90, farlane::support::kLz4Flag, text})
          .Add({farlane::support::kPtxEntry, 80, farlane::support::kZstdFlag, text, "b"})
          .Add({farlane::support::kElfEntry, 90,
                farlane::support::kZstdFlag | farlane::support::kExactFlag, cubin})
          .Add({farlane::support::kLtoEntry, 80, farlane::support::kFamilyFlag, text})
          .Build());
  return fatbins;
}

// What goes over the wire: a package with one fatbin, one cubin, one text, and one of two objects.
std::vector<std::vector<std::byte>> Packages() {
  const int devices[] = {80, 90};
  std::vector<std::vector<std::byte>> images = Fatbins();
  images.push_back(Cubins()[0]);
  images.push_back(BytesOf(kHead + kDeclarations[1]));
  std::vector<std::vector<std::byte>> packages;
  for (const std::vector<std::byte>& image : images) {
    const auto view = farlane::abi::ViewImage(ConstBytes(image));
    const auto package = view.ok() ? farlane::abi::PackModule(*view, devices)
                                   : farlane::Result<std::vector<std::byte>>(view.error());
    if (package.ok()) {
      packages.push_back(*package);
    }
  }
  const auto first = farlane::abi::ViewImage(ConstBytes(images[0]));
  if (first.ok()) {
    farlane::abi::ImageView linked = *first;
    linked.relocatables = {images[0], images[1]};
    if (const auto package = farlane::abi::PackModule(linked, devices); package.ok()) {
      packages.push_back(*package);
    }
  }
  return packages;
}

// Where the session of dispatch_fuzz has memory.
constexpr uint64_t kAddress = 0x1000'0000'0000;

template <typename Message>
std::vector<std::byte> BodyOf(const Message& message) {
  std::vector<std::byte> body(EncodedBytes(message));
  Encode(message, body.data());
  return body;
}

// As message_decode_fuzz wants them: the number of the message, then its body.
std::vector<std::vector<std::byte>> Bodies() {
  std::vector<std::vector<std::byte>> seeds;
  farlane::wire::EachLikelyBody(kAddress, BytesOf("0123456789abcdef"), [&](const auto& message) {
    seeds.push_back({static_cast<std::byte>(seeds.size())});
    const std::vector<std::byte> body = BodyOf(message);
    seeds.back().insert(seeds.back().end(), body.begin(), body.end());
  });
  return seeds;
}

// As dispatch_fuzz wants them: a 1, then messages as number, words, body. Each message alone, and
// all of them behind each other in both orders.
std::vector<std::vector<std::byte>> Sessions() {
  std::vector<std::vector<std::byte>> seeds;
  std::vector<std::byte> all = {std::byte{1}};
  std::vector<std::byte> backwards;
  const auto add = [&](const auto& message) {
    using Message = std::remove_cvref_t<decltype(message)>;
    const std::vector<std::byte> body = BodyOf(message);
    std::vector<std::byte> one = {static_cast<std::byte>(Message::kOp),
                                  static_cast<std::byte>(body.size() / 8)};
    one.insert(one.end(), body.begin(), body.end());
    all.insert(all.end(), one.begin(), one.end());
    backwards.insert(backwards.begin(), one.begin(), one.end());
    seeds.push_back({std::byte{1}});
    seeds.back().insert(seeds.back().end(), one.begin(), one.end());
  };
  const std::string data(64, '\1');
  farlane::wire::EachLikelyMessage(kAddress, BytesOf(data), add);
  // Data that stands for more, which a copy may say.
  farlane::wire::EachLikelyMessage(kAddress, BytesOf(data.substr(0, 8)), add);
  backwards.insert(backwards.begin(), std::byte{1});
  seeds.push_back(all);
  seeds.push_back(backwards);
  return seeds;
}

// As batch_reader_fuzz wants them: who sends, how much each read gives, then batches.
std::vector<std::vector<std::byte>> Batches() {
  std::vector<std::vector<std::byte>> seeds;
  for (const int read_each : {0, 7, 255}) {
    farlane::testing::MemoryStream stream;
    farlane::channel::BatchWriter writer(stream);
    int count = 0;
    farlane::wire::EachLikelyMessage(kAddress, {}, [&](const auto& message) {
      writer.Append(message);
      if (++count % 5 == 0) {
        static_cast<void>(writer.Flush());
      }
    });
    writer.AppendBye();
    static_cast<void>(writer.Flush());
    seeds.push_back({std::byte{0}, static_cast<std::byte>(read_each)});
    seeds.back().insert(seeds.back().end(), stream.written.begin(), stream.written.end());
  }
  return seeds;
}

bool Write(const std::filesystem::path& folder, const std::vector<std::vector<std::byte>>& seeds) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::vector<std::byte>& seed : seeds) {
    std::ofstream file(folder / ("seed" + std::to_string(number++)), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()),
               static_cast<std::streamsize>(seed.size()));
    if (!file.good()) {
      std::fprintf(stderr, "cannot write to %s\n", folder.c_str());
      return false;
    }
  }
  std::printf("%s: %d seeds\n", folder.c_str(), number);
  return number > 0;
}

int WriteAll(const std::filesystem::path& folder) {
  std::vector<std::vector<std::byte>> texts;
  for (const std::string& text : PtxTexts()) {
    texts.push_back(BytesOf(text));
  }
  std::vector<std::vector<std::byte>> fatbins = Fatbins();
  for (const std::vector<std::byte>& package : Packages()) {
    fatbins.push_back(package);
  }
  const bool written =
      Write(folder / "fatbin_fuzz", fatbins) && Write(folder / "cubin_fuzz", Cubins()) &&
      Write(folder / "ptx_index_fuzz", texts) && Write(folder / "ptx_parser_fuzz", texts) &&
      Write(folder / "batch_reader_fuzz", Batches()) &&
      Write(folder / "message_decode_fuzz", Bodies()) &&
      Write(folder / "dispatch_fuzz", Sessions());
  return written ? 0 : 1;
}

}  // namespace

// The libraries were built to report to a fuzzer, so this program is one, which never begins.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds FOLDER\n");
    std::exit(2);
  }
  std::exit(WriteAll((*argv)[1]));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) {
  return 0;
}
