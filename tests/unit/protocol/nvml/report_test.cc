// SPDX-License-Identifier: Apache-2.0
#include "protocol/nvml/report.h"

#include <gtest/gtest.h>

namespace farlane::nvml {
namespace {

Report ReportWithEverything() {
  Report report{.cuda_version = 13000, .driver_version = "580.1", .gpus = {}};
  for (uint32_t i = 0; i < 2; ++i) {
    Gpu gpu{.name = "A device",
            .pci_domain = 1,
            .pci_bus = 0x65 + i,
            .pci_device = 3,
            .compute_major = 9,
            .compute_minor = 1,
            .compute_mode = 3,
            .processors = 132,
            .memory_bus_bits = 512,
            .peers = 2,
            .total_bytes = 1000,
            .reserved_bytes = 100,
            .used_bytes = 300,
            .free_bytes = 600,
            .busy_percent = 100,
            .copy_percent = 50};
    gpu.uuid[15] = static_cast<uint8_t>(i);
    for (size_t gauge = i; gauge < kGaugesCount; gauge += 2) {
      gpu.gauges.Set(static_cast<Gauge>(gauge), gauge * 1000);
    }
    gpu.processes = {
        {.pid = 1, .busy_percent = 2, .copy_percent = 3, .used_bytes = 4, .program = "p"},
        {.pid = 5}};
    report.gpus.push_back(std::move(gpu));
  }
  return report;
}

TEST(Report, ArrivesAsItWas) {
  const Report sent = ReportWithEverything();
  Report got;
  ASSERT_TRUE(UnpackReport(PackReport(sent), &got));
  EXPECT_EQ(got, sent);
}

TEST(Report, NothingShorterOrLongerIsOne) {
  const std::string whole = PackReport(ReportWithEverything());
  for (size_t size = 0; size < whole.size(); ++size) {
    Report got;
    EXPECT_FALSE(UnpackReport(std::string_view(whole).substr(0, size), &got)) << size;
  }
  Report got;
  EXPECT_FALSE(UnpackReport(whole + '\0', &got));
}

TEST(Report, ByteByByteSpoiltItIsReadOrRefusedAndStaysWithinItsLimits) {
  const std::string whole = PackReport(ReportWithEverything());
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char byte : {'\0', '\x7f', '\xff'}) {
      std::string spoilt = whole;
      spoilt[at] = byte;
      Report got;
      if (UnpackReport(spoilt, &got)) {
        for (const Gpu& gpu : got.gpus) {
          EXPECT_LE(gpu.busy_percent, 100u);
          EXPECT_LE(gpu.reserved_bytes, gpu.total_bytes);
          EXPECT_LE(gpu.used_bytes + gpu.free_bytes, gpu.total_bytes - gpu.reserved_bytes);
        }
      }
      EXPECT_LE(got.gpus.size(), kReportGpusMax);
    }
  }
}

// The count of devices stands behind the version and a text with one byte for its length.
TEST(Report, CountsThatNothingStandsBehindCostNothing) {
  std::string bytes(4 + 1, '\0');
  bytes += "\xff\xff\xff\xff";
  Report got;
  EXPECT_FALSE(UnpackReport(bytes, &got));
  EXPECT_TRUE(got.gpus.empty());
}

TEST(Report, MoreDevicesThanThereCanBeAreNoReport) {
  Report one;
  one.gpus.emplace_back();
  const std::string whole = PackReport(one);
  constexpr size_t kCountAt = 4 + 1;
  const std::string gpu = whole.substr(kCountAt + 4);
  std::string bytes = whole.substr(0, kCountAt);
  const uint32_t count = kReportGpusMax + 1;
  bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
  for (uint32_t i = 0; i < count; ++i) {
    bytes += gpu;
  }
  Report got;
  EXPECT_FALSE(UnpackReport(bytes, &got));
  EXPECT_TRUE(got.gpus.empty());
}

TEST(Report, MoreInUseThanThereIsIsNoReport) {
  Report sent = ReportWithEverything();
  sent.gpus[1].used_bytes = 901;
  Report got;
  EXPECT_FALSE(UnpackReport(PackReport(sent), &got));
}

TEST(Report, TextsAreCutAndWhatCannotBePrintedIsNot) {
  Report sent = ReportWithEverything();
  sent.driver_version = std::string(500, 'x');
  sent.gpus[0].name = "a\033[2Jb";
  Report got;
  ASSERT_TRUE(UnpackReport(PackReport(sent), &got));
  EXPECT_EQ(got.driver_version.size(), kReportTextMax);
  EXPECT_EQ(got.gpus[0].name, "a?[2Jb");
}

TEST(Gauges, EachHasANameOfItsOwn) {
  for (size_t i = 0; i < kGaugesCount; ++i) {
    const auto gauge = static_cast<Gauge>(i);
    EXPECT_EQ(GaugeNamed(NameOf(gauge)), gauge);
  }
  EXPECT_FALSE(GaugeNamed("warmth").has_value());
}

}  // namespace
}  // namespace farlane::nvml
