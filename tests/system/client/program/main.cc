// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr Case kCases[] = {
    {"unknown-handles", UnknownHandles},
    {"wrong-pointers", WrongPointers},
    {"forbidden-shapes", ForbiddenShapes},
    {"shared-memory", SharedMemory},
    {"wrong-parameters", WrongParameters},
    {"without-ptx", WithoutPtx},
    {"broken-ptx", BrokenPtx},
    {"many-kernels", ManyKernels},
    {"broken-libraries", BrokenLibraries},
    {"assertion", Assertion},
    {"out-of-memory", OutOfMemory},
    {"memory-info", MemoryInfo},
    {"wrong-copies", WrongCopies},
    {"wrong-references", WrongReferences},
    {"bound-references", BoundReferences},
    {"posted-errors", PostedErrors},
    {"faults", Faults},
    {"synchronous", Synchronous},
    {"posted-launches", PostedLaunches},
    {"allocations", Allocations},
    {"mappings", Mappings},
    {"polling", Polling},
    {"waiting-for-nothing", WaitingForNothing},
    {"unseen-work", UnseenWork},
    {"unseen-waits", UnseenWaits},
    {"seen-waits", SeenWaits},
    {"libraries", Libraries},
    {"launched-graphs", LaunchedGraphs},
    {"counted-posts", CountedPosts},
    {"counted-launches", CountedLaunches},
    {"threads", Threads},
    {"released-by-another", ReleasedByAnother},
    {"two-contexts", TwoContexts},
    {"context-ends", ContextEnds},
    {"large-copies", LargeCopies},
    {"bystander", Bystander},
    {"filled-by-a-function", FilledByAFunction},
    {"copied-out-then-in", CopiedOutThenIn},
    {"filled-before-a-value", FilledBeforeAValue},
    {"data-before-news", DataBeforeNews},
    {"overwritten-after-its-event", OverwrittenAfterItsEvent},
    {"event-inside-a-graph", EventInsideAGraph},
    {"event-that-is-not-recorded", EventThatIsNotRecorded},
    {"any-contents", AnyContents},
    {"cleared-memory", ClearedMemory},
    {"managed-changes", ManagedChanges},
    {"touches", Touches},
    {"touch-before-kernel-ends", TouchBeforeKernelEnds},
    {"managed-from-a-liar", ManagedFromALiar},
    {"copy-from-a-liar", CopyFromALiar},
    {"commanded", Commanded},
    {"busy", Busy},
    {"bulk", Bulk},
    {"loads", Loads},
    {"requests", Requests},
    {"rounds", Rounds},
    {"steps", Steps},
    {"asked", Asked},
    {"work-behind-functions", WorkBehindFunctions},
    {"sharer", Sharer},
    {"checksummed", Checksummed},
    {"claimant", BeAClaimant},
    {"residue", FindResidue},
    {"victim", BeAVictim},
    {"long-waits", LongWaits},
    {"attack-illegal", AttackIllegal},
    {"attack-endless", AttackEndless},
    {"attack-endless-flood", AttackEndlessFlood},
    {"attack-allocations", AttackAllocations},
    {"attack-modules", AttackModules},
    {"attack-launches", AttackLaunches},
    {"attack-bulk", AttackBulk},
    {"attack-deaf", AttackDeaf},
    {"random-operations", RandomOperations},
    {"several-servers", SeveralServers},
    {"one-server-ends", OneServerEnds},
    {"count-devices", CountDevices},
    {"timings", Timings},
    {"tell-devices", TellDevices},
    {"blocking-launches", BlockingLaunches},
    {"blocking-graphs", BlockingGraphs},
    {"code-choices", CodeChoices},
    {"library-data", LibraryData},
    {"log-file", LogFile},
    {"coredump-words", CoredumpWords},
    {"graph-flags", GraphFlags},
    {"initialise", Initialise},
    {"forked-child", ForkedChild},
    {"leave-without-cleanup", LeaveWithoutCleanup},
    {"leave-while-waiting", LeaveWhileWaiting},
    {"leave-from-a-handler", LeaveFromAHandler},
    {"static-object", StaticObject},
    {"close-library", CloseLibrary},
    {"spin-forever", SpinForever},
    {"lose-server", LoseServer},
    {"outlive-parent", OutliveParent},
    {"work", Work},
    {"exec-itself", ExecItself},
    {"children", Children},
    {"fork-before-init", ForkBeforeInit},
    {"greedy", Greedy},
    {"greedy-child", GreedyChild},
    {"daemon", Daemon},
    {"dying-threads", DyingThreads},
    {"exit-handlers", ExitHandlers},
    {"reopen-library", ReopenLibrary},
};

}  // namespace
}  // namespace farlane::cases

int main(int count, char** words) {
  for (const farlane::cases::Case& one : farlane::cases::kCases) {
    if (count == 2 && std::strcmp(words[1], one.name) == 0) {
      one.run();
      return farlane::cases::AllRight() ? 0 : 1;
    }
  }
  std::printf("no such case\n");
  return 2;
}
