// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/session_seeds.h"

#include "protocol/wire/tensor_map_form.h"
#include "tests/fuzz/likely_messages.h"
#include "tests/fuzz/session_input.h"

namespace farlane::fuzz {
namespace {

using wire::HandleKind;
using Data = std::vector<std::byte>;

// Where the session has memory: four chunks are mapped before the input begins, in a larger arena.
constexpr uint64_t kAddress = 0x1000'0000'0000;
constexpr uint64_t kChunk = 2ull << 20;
constexpr wire::Handle kContext = MakeHandle(HandleKind::kContext, 0, 1);
constexpr wire::Handle kStream = MakeHandle(HandleKind::kStream, 0, 1);

constexpr wire::Handle Other(HandleKind kind, uint32_t index = 1) {
  return wire::MakeHandle(kind, index, 1);
}

// Thread: caller's.
class Seed {
 public:
  explicit Seed(Data head = {std::byte{1}}) : bytes_(std::move(head)) {}

  template <typename Message>
  Seed& Say(const Message& message) {
    AppendItem(ItemOf(message), &bytes_);
    return *this;
  }

  Seed& Settle() {
    AppendItem(fuzz::Settle(), &bytes_);
    return *this;
  }

  Data Take() { return std::move(bytes_); }

 private:
  Data bytes_;
};

template <typename... Values>
Data Packed(Values... values) {
  Data bytes;
  const auto add = [&bytes](const auto& value) {
    const auto more = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  (add(values), ...);
  return bytes;
}

wire::Launch LaunchOf(uint32_t function, ConstBytes parameters) {
  return {.function = Other(HandleKind::kFunction, function),
          .stream = kStream,
          .grid_x = 1,
          .grid_y = 1,
          .grid_z = 1,
          .block_x = 32,
          .block_y = 1,
          .block_z = 1,
          .parameters = parameters};
}

void SayLaunches(Seed& seed) {
  const Data parameters = Packed(kAddress, uint32_t{64});
  CUlaunchAttribute attribute{};
  attribute.id = CU_LAUNCH_ATTRIBUTE_PRIORITY;
  const Data attributes = Packed(attribute, attribute);
  for (const uint32_t cooperative : {0u, 1u}) {
    wire::Launch launch = LaunchOf(0, parameters);
    launch.cooperative = cooperative;
    seed.Say(launch);
    launch.attributes = attributes;
    seed.Say(launch);
    seed.Say(LaunchOf(1, {}));
    wire::OccupancyOfClusters occupancy{.function = Other(HandleKind::kFunction, 0),
                                        .grid_x = 1,
                                        .block_x = 32,
                                        .largest_size = cooperative,
                                        .attributes = attributes};
    seed.Say(occupancy);
  }
  attribute.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT;
  wire::Launch refused = LaunchOf(0, parameters);
  const Data wrong = Packed(attribute);
  refused.attributes = wrong;
  seed.Say(refused);
}

// A module or a library from its load to its end.
Data Code(uint8_t image, uint8_t library, uint8_t piece_kib) {
  Seed seed;
  const wire::Handle module = Other(HandleKind::kModule, 0);
  const ImageOrder order{
      .library = library, .image = image, .module = 0, .piece_kib = piece_kib, .log_words = 4};
  seed.Say(order).Settle();
  for (const uint32_t index : {0u, 1u, 2u}) {
    seed.Say(wire::KernelBind{
        .module = module, .function = Other(HandleKind::kFunction, index), .index = index});
  }
  seed.Say(wire::ImageGlobal{.module = module, .name = "global"})
      .Say(wire::ImageGlobal{.module = module, .name = "managed"})
      .Say(wire::MemsetD8Async{.dstDevice = 0x2000'0000'0000, .uc = 1, .N = 16})
      .Say(
          wire::FuncSetAttribute{.hfunc = Other(HandleKind::kFunction, 0), .attrib = 8, .value = 1})
      .Say(wire::FuncSetCacheConfig{.hfunc = Other(HandleKind::kFunction, 0), .config = 1})
      .Say(wire::OccupancyAvailableDynamicSMemPerBlock{
          .func = Other(HandleKind::kFunction, 0), .numBlocks = 1, .blockSize = 32})
      .Say(wire::OccupancyMaxActiveBlocksPerMultiprocessorWithFlags{
          .func = Other(HandleKind::kFunction, 0), .blockSize = 32});
  SayLaunches(seed);
  ImageOrder again = order;
  again.module = 1;
  seed.Say(again).Settle().Say(wire::ImageUnload{.module = module}).Settle();
  again.module = 2;
  again.wrong_name = 1;
  return seed.Say(again).Settle().Take();
}

Data Linking() {
  Seed seed;
  seed.Say(ImageOrder{.link = 1, .image = kLinkImage, .log_words = 4}).Settle();
  // The name of what the target's driver links.
  return seed.Say(wire::LinkedRead{.hash_0 = 0x8d38'69b8'df17'0c1f}).Take();
}

Data Graphs() {
  const wire::Handle stream = Other(HandleKind::kStream);
  Seed seed;
  for (const uint32_t index : {0u, 1u}) {
    const wire::Handle exec = Other(HandleKind::kGraphExec, index);
    const Data after_first = Packed(uint32_t{0});
    const Data after_both = Packed(uint32_t{0}, uint32_t{1});
    seed.Say(wire::GraphBegin{.exec = exec, .stream = stream})
        .Say(wire::GraphNext{.exec = exec})
        .Say(wire::MemsetD8Async{.dstDevice = kAddress, .uc = 1, .N = 64, .hStream = stream})
        .Say(wire::GraphNext{.exec = exec, .after = after_first})
        .Say(wire::HostFunction{.stream = stream, .call = 1})
        .Say(wire::GraphNext{.exec = exec, .empty = 1, .after = after_both})
        .Say(wire::GraphNext{.exec = exec, .after = after_first})
        .Say(wire::HostFetch{
            .stream = stream, .call = 2, .address = kAddress, .width = 64, .pitch = 64, .rows = 1})
        .Say(wire::HostStore{
            .stream = stream, .call = 3, .address = kAddress, .width = 32, .pitch = 64, .rows = 2})
        .Say(wire::GraphEnd{.exec = exec, .stream = stream})
        .Settle();
  }
  const wire::Handle exec = Other(HandleKind::kGraphExec, 0);
  const Data data(64, std::byte{2});
  return seed.Say(wire::GraphUpload{.exec = exec, .stream = kStream})
      .Say(wire::GraphLaunch{.exec = exec, .stream = kStream})
      .Settle()
      .Say(wire::HostDone{.turn = 1})
      .Settle()
      .Say(wire::HostFetched{.turn = 2, .offset = 0, .data = data})
      .Say(wire::HostDone{.turn = 2})
      .Settle()
      .Say(wire::GraphUpdate{.exec = exec, .from = Other(HandleKind::kGraphExec, 1)})
      .Say(wire::GraphLaunch{.exec = exec, .stream = kStream})
      .Say(wire::GraphDestroy{.exec = exec})
      .Settle()
      .Take();
}

// Nodes that are refused, and a recording that nobody ends.
Data SpoiledGraphs() {
  const wire::Handle stream = Other(HandleKind::kStream);
  const wire::Handle exec = Other(HandleKind::kGraphExec);
  const Data behind_nothing = Packed(uint32_t{7});
  return Seed()
      .Say(wire::GraphBegin{.exec = exec, .stream = stream})
      .Say(wire::GraphNext{.exec = exec})
      .Say(wire::MemsetD8Async{.dstDevice = 64, .uc = 1, .N = 64, .hStream = stream})
      .Say(wire::ContextSynchronize{.context = kContext})
      .Say(wire::GraphNext{.exec = exec, .after = behind_nothing})
      .Say(wire::GraphEnd{.exec = exec, .stream = stream})
      .Settle()
      .Say(wire::GraphBegin{.exec = Other(HandleKind::kGraphExec, 2),
                            .stream = Other(HandleKind::kStream, 2)})
      .Say(wire::DeviceQuiesce{.device = 0})
      .Say(wire::GraphDestroy{.exec = Other(HandleKind::kGraphExec, 2)})
      .Settle()
      .Take();
}

// Graphs that stay where they are recorded, with bodies in bodies.
Data ConditionalGraphs() {
  const wire::Handle home = Other(HandleKind::kGraphHome);
  const wire::Handle exec = Other(HandleKind::kGraphExec);
  const wire::Handle stream = Other(HandleKind::kStream);
  const wire::Handle body = Other(HandleKind::kStream, 2);
  const wire::Handle inner = Other(HandleKind::kStream, 3);
  return Seed()
      .Say(wire::GraphHome{.home = home})
      .Say(wire::ConditionCreate{.home = home, .value = 1, .flags = 1})
      .Settle()
      .Say(wire::GraphBegin{.exec = exec, .stream = stream, .home = home})
      .Say(wire::GraphCondition{.exec = exec, .condition = 1, .type = 1, .bodies = 1})
      .Say(wire::GraphBody{.exec = exec, .stream = body, .body = 0})
      .Say(wire::GraphNext{.exec = exec})
      .Say(wire::MemsetD8Async{.dstDevice = kAddress, .uc = 1, .N = 64, .hStream = body})
      .Say(wire::GraphCondition{.exec = exec, .condition = 2, .type = 2, .bodies = 3})
      .Say(wire::GraphBody{.exec = exec, .stream = inner, .body = 2})
      .Say(wire::GraphBodyEnd{.exec = exec, .stream = inner})
      .Say(wire::GraphBodyEnd{.exec = exec, .stream = body})
      .Say(wire::GraphEnd{.exec = exec, .stream = stream})
      .Settle()
      .Say(wire::GraphHomeEnd{.home = home})
      .Settle()
      .Take();
}

Data HostCalls() {
  const Data data(64, std::byte{3});
  return Seed()
      .Say(wire::HostFunction{.stream = kStream, .call = 1})
      .Say(wire::HostFetch{
          .stream = kStream, .call = 2, .address = kAddress, .width = 64, .pitch = 64, .rows = 1})
      .Say(wire::HostFunction{.stream = 0, .call = 3, .always = 1})
      .Settle()
      .Say(wire::HostDone{.turn = 1})
      .Settle()
      .Say(wire::HostFetched{.turn = 2, .offset = 0, .data = data})
      .Say(wire::HostFetched{.turn = 2, .offset = 64, .data = data})
      .Take();
}

// Of every kind of resource; their numbers are the driver's, so all that could be are given back.
void SayTextures(Seed& seed, wire::Handle array, wire::Handle mipmapped) {
  const Data texture = Packed(CUDA_TEXTURE_DESC{});
  const Data view = Packed(CUDA_RESOURCE_VIEW_DESC{});
  for (const uint32_t resource : {0u, 1u, 2u, 3u}) {
    seed.Say(wire::TextureCreate{.resource = resource,
                                 .format = 32,
                                 .channels = 1,
                                 .array = resource == 0   ? array
                                          : resource == 1 ? mipmapped
                                                          : 0,
                                 .address = kAddress,
                                 .width = 64,
                                 .height = 4,
                                 .pitch = 512,
                                 .texture = texture,
                                 .view = resource == 0 ? ConstBytes(view) : ConstBytes()});
  }
  seed.Say(wire::SurfaceCreate{.array = array});
  for (uint64_t object = 1; object < 64; ++object) {
    seed.Say(wire::TextureDestroy{.object = object}).Say(wire::SurfaceDestroy{.object = object});
  }
}

// One that belongs to no module, bound to every kind of resource.
void SayReferences(Seed& seed, wire::Handle array, wire::Handle mipmapped) {
  const wire::Handle reference = Other(HandleKind::kReference);
  CUDA_TEXTURE_DESC sampling{};
  sampling.flags = CU_TRSF_NORMALIZED_COORDINATES;
  sampling.maxMipmapLevelClamp = 2;
  const Data texture = Packed(sampling);
  seed.Say(wire::ReferenceFind{.reference = reference})
      .Say(wire::ReferenceSet{
          .reference = reference, .format = 32, .channels = 1, .texture = texture});
  for (const uint32_t resource : {0u, 1u, 2u, 3u}) {
    seed.Say(wire::ReferenceBind{.reference = reference,
                                 .resource = resource,
                                 .format = 32,
                                 .channels = 1,
                                 .array = resource == 0   ? array
                                          : resource == 1 ? mipmapped
                                                          : 0,
                                 .address = kAddress,
                                 .width = 64,
                                 .height = 4,
                                 .pitch = 512});
  }
  seed.Say(wire::ReferenceDestroy{.reference = reference});
}

Data Arrays() {
  const wire::Handle array = Other(HandleKind::kArray, 0);
  const wire::Handle mipmapped = Other(HandleKind::kArray, 1);
  const wire::Handle level = Other(HandleKind::kArray, 2);
  const Data data(64, std::byte{4});
  Seed seed;
  seed.Say(wire::ArrayCreate{
               .array = array, .width = 16, .height = 8, .depth = 4, .format = 1, .channels = 4})
      .Say(wire::ArrayCreate{.array = mipmapped,
                             .width = 16,
                             .height = 16,
                             .format = 32,
                             .channels = 1,
                             .flags = 2,
                             .levels = 3})
      .Settle()
      .Say(wire::ArrayLevel{.array = mipmapped, .level_array = level, .level = 1})
      .Say(wire::ArrayCopyIn{.array = array,
                             .stream = kStream,
                             .x = 0,
                             .y = 1,
                             .z = 1,
                             .width = 32,
                             .rows = 2,
                             .data = data})
      .Say(wire::ArrayCopyOut{
          .transfer = 1, .array = array, .stream = kStream, .width = 32, .rows = 2})
      .Say(wire::ArrayCopyShape{.to_array = array,
                                .from = kAddress,
                                .stream = kStream,
                                .width = 16,
                                .rows = 2,
                                .slices = 2,
                                .from_pitch = 64,
                                .from_slice = 256})
      .Say(wire::ArrayCopyShape{.from_array = array,
                                .to = kAddress,
                                .stream = kStream,
                                .width = 16,
                                .rows = 2,
                                .slices = 1,
                                .to_pitch = 64,
                                .to_slice = 256})
      .Say(wire::ArrayFetch{.stream = kStream, .call = 1, .array = array, .width = 32, .rows = 1});
  SayTextures(seed, array, mipmapped);
  SayReferences(seed, array, mipmapped);
  return seed.Settle()
      .Say(wire::ArrayDestroy{.array = level})
      .Say(wire::ArrayDestroy{.array = mipmapped})
      .Say(wire::ArrayDestroy{.array = array})
      .Settle()
      .Take();
}

Data Copies(Data head) {
  Seed seed(std::move(head));
  const Data data(512, std::byte{5});
  for (const uint64_t rows : {1ull, 4ull}) {
    seed.Say(wire::CopyIn{.address = kAddress,
                          .stream = kStream,
                          .width = 512 / rows,
                          .pitch = 1024,
                          .rows = rows,
                          .data = data})
        .Say(wire::CopyOut{.transfer = rows,
                           .address = kAddress,
                           .stream = kStream,
                           .width = 700'000 / rows,
                           .pitch = 700'000,
                           .rows = rows,
                           .urgent = 1});
  }
  return seed
      .Say(wire::CopyShape{.to = kAddress,
                           .from = kAddress + kChunk,
                           .stream = kStream,
                           .width = 64,
                           .rows = 4,
                           .slices = 2,
                           .to_pitch = 64,
                           .from_pitch = 128,
                           .to_slice = 256,
                           .from_slice = 1024})
      .Say(wire::MemcpyDtoDAsync{
          .dstDevice = kAddress, .srcDevice = kAddress + kChunk, .ByteCount = kChunk})
      .Say(wire::Watch{.stream = kStream})
      .Say(wire::StreamQuery{.hStream = kStream})
      .Say(wire::StreamSynchronize{.hStream = kStream})
      .Settle()
      .Say(wire::ContextSynchronize{.context = kContext})
      .Settle()
      .Take();
}

Data Memory() {
  const wire::Handle physical = Other(HandleKind::kPhysical, 0);
  const uint64_t far = kAddress + 64 * kChunk;
  return Seed()
      .Say(wire::CreditRequest{.device = 0, .bytes = 8 * kChunk})
      .Settle()
      .Say(wire::SpaceRequest{.device = 0, .attempt = 0, .bytes = 4 * kChunk})
      .Say(wire::SpaceRequest{.device = 0, .attempt = 1, .bytes = 4 * kChunk})
      .Say(wire::ArenaDecline{.device = 1, .attempt = 1})
      .Say(wire::PhysicalCreate{.memory = physical, .bytes = 2 * kChunk, .device = 0})
      .Say(wire::PhysicalMap{.address = far, .bytes = 2 * kChunk, .memory = physical})
      .Say(wire::PhysicalAccess{.address = far, .bytes = 2 * kChunk, .device = 0, .access = 3})
      .Say(wire::MemsetD32Async{.dstDevice = far, .ui = 1, .N = 64})
      .Say(wire::PhysicalUnmap{.address = far, .bytes = 2 * kChunk})
      .Say(wire::PhysicalRelease{.memory = physical})
      .Say(wire::MemoryUnmap{.address = kAddress + 2 * kChunk, .bytes = kChunk, .device = 0})
      .Say(wire::MemoryFence{.device = 0, .fence = 1})
      .Settle()
      .Say(wire::CreditReturn{.device = 0, .bytes = kChunk, .recall = 1})
      .Say(wire::MemoryInfo{.device = 0})
      .Take();
}

Data Contexts() {
  const wire::Handle peer = Other(HandleKind::kContext);
  const wire::Handle made = Other(HandleKind::kContext, 2);
  return Seed()
      .Say(wire::PrimaryRetain{.context = peer, .device = 1})
      .Say(wire::ContextCreate{.context = made, .device = 0})
      .Settle()
      .Say(wire::PeerAccess{.peer = peer, .enable = 1})
      .Settle()
      .Say(wire::MemoryMap{.address = kAddress + 8 * kChunk, .bytes = kChunk, .device = 0})
      .Say(wire::MemoryMap{.address = kAddress + (1ull << 40), .bytes = kChunk, .device = 1})
      .Say(wire::PeerAccess{.peer = peer, .enable = 0})
      .Settle()
      .Say(wire::PeerAccess{.peer = peer, .enable = 1})
      .Settle()
      .Say(wire::SetContext{.context = made})
      .Say(wire::EventCreate{.phEvent = Other(HandleKind::kEvent)})
      .Say(wire::EventRecord{.hEvent = Other(HandleKind::kEvent)})
      .Say(wire::EventSynchronize{.hEvent = Other(HandleKind::kEvent)})
      .Say(wire::EventElapsedTime{.hStart = Other(HandleKind::kEvent),
                                  .hEnd = Other(HandleKind::kEvent)})
      .Say(wire::EventDestroy{.hEvent = Other(HandleKind::kEvent)})
      .Say(wire::ContextDestroy{.context = made})
      .Say(wire::PrimaryRelease{.context = peer, .device = 1})
      .Settle()
      .Say(wire::PrimaryRelease{.context = kContext, .device = 0})
      .Settle()
      .Say(wire::PrimaryRetain{.context = kContext, .device = 0})
      .Settle()
      .Take();
}

Data TensorMaps() {
  const Data dimensions = Packed(uint64_t{64}, uint64_t{64}, uint64_t{4});
  const Data strides = Packed(uint64_t{256}, uint64_t{16384});
  const Data box = Packed(uint32_t{8}, uint32_t{8}, uint32_t{1});
  const Data corner = Packed(int{0});
  Seed seed;
  for (const uint32_t form : {0u, 1u, 2u}) {
    const bool tiled = form == static_cast<uint32_t>(wire::TensorMapForm::kTiled);
    seed.Say(wire::TensorMapEncode{.form = form,
                                   .data_type = 7,
                                   .rank = 3,
                                   .address = kAddress,
                                   .dimensions = dimensions,
                                   .strides = strides,
                                   .box = tiled ? box : corner,
                                   .upper_box = corner,
                                   .element_strides = box});
  }
  const Data map = Packed(CUtensorMap{});
  return seed.Say(wire::TensorMapMove{.address = kAddress, .map = map}).Take();
}

// What nobody is told of, because the driver fails: how many of its calls, at which, and how.
Data Failing(uint8_t turn, uint8_t failure) {
  return Copies({std::byte{2}, static_cast<std::byte>(turn), static_cast<std::byte>(failure)});
}

// Each message alone, and all of them behind each other in both orders.
void AddEveryMessage(std::vector<Data>* seeds) {
  Data all = {std::byte{1}};
  Data backwards;
  const auto add = [&](const auto& message) {
    Data one;
    AppendItem(ItemOf(message), &one);
    all.insert(all.end(), one.begin(), one.end());
    backwards.insert(backwards.begin(), one.begin(), one.end());
    one.insert(one.begin(), std::byte{1});
    seeds->push_back(one);
  };
  const Data data(64, std::byte{1});
  wire::EachLikelyMessage(kAddress, data, add);
  // Data that stands for more, which a copy may say.
  wire::EachLikelyMessage(kAddress, ConstBytes(data).first(8), add);
  backwards.insert(backwards.begin(), std::byte{1});
  seeds->push_back(all);
  seeds->push_back(backwards);
}

}  // namespace

std::vector<std::vector<std::byte>> SessionSeeds() {
  std::vector<Data> seeds = {
      Code(kPtxImage, 0, 0),
      Code(kCubinImage, 1, 1),
      Code(kLinkImage, 0, 0),
      Linking(),
      Graphs(),
      SpoiledGraphs(),
      ConditionalGraphs(),
      HostCalls(),
      Arrays(),
      Copies({std::byte{1}}),
      Memory(),
      Contexts(),
      TensorMaps(),
  };
  for (uint8_t turn = 20; turn < 40; ++turn) {
    seeds.push_back(Failing(turn, turn % 3));
  }
  AddEveryMessage(&seeds);
  return seeds;
}

}  // namespace farlane::fuzz
