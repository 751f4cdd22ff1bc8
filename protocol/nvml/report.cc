// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/report.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <type_traits>

namespace farlane::nvml {
namespace {

// Thread: caller's.
class Writer {
 public:
  template <typename T>
  void Number(T value) {
    static_assert(std::is_integral_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  void Text(const std::string& text) {
    const size_t size = std::min(text.size(), kReportTextMax);
    Number(static_cast<uint8_t>(size));
    bytes_.append(text, 0, size);
  }

  void Bytes(const void* from, size_t size) { bytes_.append(static_cast<const char*>(from), size); }

  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads no further than there is something; what it gave since is zero. Thread: caller's.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  template <typename T>
  void Number(T* value) {
    Bytes(value, sizeof *value);
  }

  void Text(std::string* text) {
    uint8_t size = 0;
    Number(&size);
    if (size > kReportTextMax || size > rest_.size()) {
      good_ = false;
      return;
    }
    text->assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    // Somebody prints it.
    std::replace_if(
        text->begin(), text->end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  }

  void Bytes(void* to, size_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      memset(to, 0, size);
      return;
    }
    memcpy(to, rest_.data(), size);
    rest_.remove_prefix(size);
  }

  // A number of things that follow.
  size_t Count(size_t most) {
    uint32_t count = 0;
    Number(&count);
    good_ = good_ && count <= most;
    return good_ ? count : 0;
  }

  bool good() const { return good_; }

  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

// The numbers of a device, in their order.
template <typename Each, typename GpuOrConst>
void ForNumbers(GpuOrConst& gpu, const Each& each) {
  each(gpu.pci_domain);
  each(gpu.pci_bus);
  each(gpu.pci_device);
  each(gpu.compute_major);
  each(gpu.compute_minor);
  each(gpu.compute_mode);
  each(gpu.processors);
  each(gpu.memory_bus_bits);
  each(gpu.peers);
  each(gpu.total_bytes);
  each(gpu.reserved_bytes);
  each(gpu.used_bytes);
  each(gpu.free_bytes);
  each(gpu.busy_percent);
  each(gpu.copy_percent);
}

static_assert(kGaugesCount <= 64, "a mask says which are known");

void PutGauges(const Gauges& gauges, Writer* writer) {
  uint64_t known = 0;
  for (size_t i = 0; i < kGaugesCount; ++i) {
    known |= gauges[static_cast<Gauge>(i)].has_value() ? uint64_t{1} << i : 0;
  }
  writer->Number(known);
  for (size_t i = 0; i < kGaugesCount; ++i) {
    if (const auto value = gauges[static_cast<Gauge>(i)]) {
      writer->Number(*value);
    }
  }
}

bool TakeGauges(Reader* reader, Gauges* gauges) {
  uint64_t known = 0;
  reader->Number(&known);
  if (known >> kGaugesCount != 0) {
    return false;
  }
  for (size_t i = 0; i < kGaugesCount; ++i) {
    if ((known >> i & 1) != 0) {
      uint64_t value = 0;
      reader->Number(&value);
      gauges->Set(static_cast<Gauge>(i), value);
    }
  }
  return reader->good();
}

void PutGpu(const Gpu& gpu, Writer* writer) {
  writer->Text(gpu.name);
  writer->Bytes(gpu.uuid, sizeof gpu.uuid);
  ForNumbers(gpu, [writer](auto value) { writer->Number(value); });
  PutGauges(gpu.gauges, writer);
  const size_t count = std::min(gpu.processes.size(), kReportProcessesMax);
  writer->Number(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) {
    const Process& process = gpu.processes[i];
    writer->Number(process.pid);
    writer->Number(process.busy_percent);
    writer->Number(process.copy_percent);
    writer->Number(process.used_bytes);
    writer->Text(process.program);
  }
}

bool TakeGpu(Reader* reader, Gpu* gpu) {
  reader->Text(&gpu->name);
  reader->Bytes(gpu->uuid, sizeof gpu->uuid);
  ForNumbers(*gpu, [reader](auto& value) { reader->Number(&value); });
  if (!TakeGauges(reader, &gpu->gauges)) {
    return false;
  }
  const size_t count = reader->Count(kReportProcessesMax);
  for (size_t i = 0; i < count && reader->good(); ++i) {
    Process process;
    reader->Number(&process.pid);
    reader->Number(&process.busy_percent);
    reader->Number(&process.copy_percent);
    reader->Number(&process.used_bytes);
    reader->Text(&process.program);
    gpu->processes.push_back(std::move(process));
  }
  // Sums and shares of these are made without another look.
  const uint64_t given = gpu->total_bytes - gpu->reserved_bytes;
  return reader->good() && gpu->reserved_bytes <= gpu->total_bytes && gpu->used_bytes <= given &&
         gpu->free_bytes <= given - gpu->used_bytes && gpu->busy_percent <= 100 &&
         gpu->copy_percent <= 100;
}

}  // namespace

bool IsInstance(const Gpu& gpu) {
  return gpu.name.find(" MIG ") != std::string::npos;
}

std::string UuidText(const Gpu& gpu) {
  char text[48];
  const uint8_t* const b = gpu.uuid;
  snprintf(text, sizeof text,
           "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           IsInstance(gpu) ? "MIG" : "GPU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
           b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  return text;
}

std::string PackReport(const Report& report) {
  Writer writer;
  writer.Number(report.cuda_version);
  writer.Text(report.driver_version);
  const size_t count = std::min(report.gpus.size(), kReportGpusMax);
  writer.Number(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) {
    PutGpu(report.gpus[i], &writer);
  }
  return writer.Take();
}

bool UnpackReport(std::string_view bytes, Report* report) {
  Reader reader(bytes);
  reader.Number(&report->cuda_version);
  reader.Text(&report->driver_version);
  const size_t count = reader.Count(kReportGpusMax);
  for (size_t i = 0; i < count && reader.good(); ++i) {
    Gpu gpu;
    if (!TakeGpu(&reader, &gpu)) {
      return false;
    }
    report->gpus.push_back(std::move(gpu));
  }
  return reader.good() && reader.at_end();
}

}  // namespace farlane::nvml
