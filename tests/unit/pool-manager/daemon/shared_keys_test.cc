// SPDX-License-Identifier: Apache-2.0
// Two managers over one store sign with one key, whichever leads. Each program that has this file
// says in StoresToTest over which stores.
#include "pool-manager/daemon/shared_keys.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "pool-manager/daemon/key_ring.h"
#include "pool-manager/daemon/office.h"
#include "tests/unit/pool-manager/daemon/told_keys.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"
#include "tests/unit/pool-manager/store/store_maker.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kTermNs = 20'000'000'000;

// One that stands by until nobody else leads.
class OneManager {
 public:
  // `seal_folder`: where its seal key lies.
  OneManager(StateStore& store, const std::string& name, const std::string& seal_folder)
      : safe_(pki::Safe::Open(seal_folder, "").value()), keys_(safe_) {
    Office::Settings settings;
    settings.guards.take_keys = [this](RecordStore& records) { return keys_.Take(records); };
    settings.guards.rotate = [this](RecordStore& records) -> Result<v1::RotateResponse> {
      FARLANE_TRY(keys_.Rotate(records));
      return v1::RotateResponse();
    };
    settings.guards.audit.folder = folder_.Of("audit");
    settings.guards.audit.manager = name;
    settings.guards.audit.sync = [](int) { return 0; };
    settings.own = {.people = name, .servers = name};
    office_ = std::make_unique<Office>(store, settings, keys_.signing());
  }

  Office& office() { return *office_; }

  const pki::Safe& safe() const { return safe_; }

  bool Leads() const { return office_->AwaitTerm(kTermNs); }

  std::string Sign() { return keys_.signing().Sign({}).value(); }

  // Whether servers that come to it now believe what this says.
  bool Believes(const std::string& text) { return IsBelieved(keys_.signing(), text); }

 private:
  ScratchFolder folder_;
  pki::Safe safe_;
  SharedKeys keys_;
  std::unique_ptr<Office> office_;  // last: its thread uses the others
};

class SharedKeysTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override { ASSERT_TRUE(DropKeyRing(*store_).ok()); }

  const std::unique_ptr<StoreMaker> maker_ = GetParam().make();
  const std::unique_ptr<StateStore> store_ = maker_->Open();
  ScratchFolder seal_;
};

TEST_P(SharedKeysTest, WhoTakesOverSignsWithTheSameKey) {
  OneManager first(*store_, "first", seal_.Of(""));
  ASSERT_TRUE(first.Leads());
  OneManager second(*store_, "second", seal_.Of(""));
  const std::string token = first.Sign();
  first.office().StepDown();
  ASSERT_TRUE(second.Leads());
  EXPECT_TRUE(second.Believes(token));
  EXPECT_EQ(second.Sign(), token);
}

TEST_P(SharedKeysTest, AChangeIsTheNextLeadersToo) {
  OneManager first(*store_, "first", seal_.Of(""));
  ASSERT_TRUE(first.Leads());
  OneManager second(*store_, "second", seal_.Of(""));
  const std::string before = first.Sign();
  ASSERT_TRUE(first.office().Watch()->Rotate().ok());
  EXPECT_EQ(first.office().Watch()->Rotate().error().code(), StatusCode::kExhausted);
  // Before the first one signs with it.
  first.office().StepDown();
  ASSERT_TRUE(second.Leads());
  EXPECT_TRUE(second.Believes(before));
  EXPECT_NE(second.Sign(), before);
}

TEST_P(SharedKeysTest, WhoHasAnotherSealKeyDoesNotLeadAndLeavesItToOthers) {
  {
    OneManager first(*store_, "first", seal_.Of(""));
    ASSERT_TRUE(first.Leads());
  }
  ScratchFolder other;
  OneManager stranger(*store_, "stranger", other.Of(""));
  EXPECT_EQ(CheckKeyRing(*store_, stranger.safe()).code(), StatusCode::kCorrupt);
  OneManager second(*store_, "second", seal_.Of(""));
  EXPECT_TRUE(CheckKeyRing(*store_, second.safe()).ok());
  EXPECT_TRUE(second.Leads());
  EXPECT_EQ(stranger.office().Host(), nullptr);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedKeysTest);
INSTANTIATE_TEST_SUITE_P(Stores,
                         SharedKeysTest,
                         testing::ValuesIn(StoresToTest()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace farlane::pool
