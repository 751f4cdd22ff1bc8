// SPDX-License-Identifier: Apache-2.0
// The cases by subject. Each is one program run: it is chosen by name on the command line and ends
// with 0 if every answer was right.
#pragma once

namespace farlane::cases {

struct Case {
  const char* name;
  void (*run)();
};

// handles.cc: what is no handle, or is one no more
void UnknownHandles();
void WrongPointers();
// launches.cc: shapes and parameters
void ForbiddenShapes();
void SharedMemory();
void WrongParameters();
// images.cc: code that cannot be loaded
void WithoutPtx();
void BrokenPtx();
void ManyKernels();
void BrokenLibraries();
void Assertion();
// memory.cc: how much there is
void OutOfMemory();
void MemoryInfo();
void WrongCopies();
void WrongReferences();
void BoundReferences();
// failures.cc: errors that come later
void PostedErrors();
void Faults();
void Synchronous();
// counts.cc: what leaves the process
void PostedLaunches();
void Allocations();
void Mappings();
void Polling();
void WaitingForNothing();
void UnseenWork();
void UnseenWaits();
void SeenWaits();
void Libraries();
void LaunchedGraphs();
// counted.cc: how much a post takes
void CountedPosts();
void CountedLaunches();
// threads.cc: several of everything
void Threads();
void ReleasedByAnother();
void TwoContexts();
void ContextEnds();
void LargeCopies();
void Bystander();
// bulk.cc: data, as much as goes
void Bulk();
// touches.cc: managed memory that both sides use
void Touches();
void TouchBeforeKernelEnds();
// order.cc: when copied bytes are read, and when they are there
void FilledByAFunction();
void CopiedOutThenIn();
void FilledBeforeAValue();
void DataBeforeNews();
void OverwrittenAfterItsEvent();
void EventInsideAGraph();
void EventThatIsNotRecorded();
// contents.cc: what copied memory holds
void AnyContents();
void ClearedMemory();
void ManagedChanges();
void ManagedFromALiar();
void CopyFromALiar();
// commanded.cc: step by step, as somebody says
void Commanded();
// busy.cc: work for the device, all the time or when asked
void Busy();
void Rounds();
void Steps();
void Asked();
void WorkBehindFunctions();
// loads.cc: work that takes as long as a modelled device is told
void Loads();
void Requests();
// sharer.cc: step by step, for what processes share
void Sharer();
// checksummed.cc: numbers that stay on the device
void Checksummed();
// claimant.cc: memory in every way that there is
void BeAClaimant();
// residue.cc: what others have left
void FindResidue();
// victim.cc: a tenant whose results and time are looked at
void BeAVictim();
// long_waits.cc: what takes long and is no command
void LongWaits();
// attackers.cc: tenants that are no good neighbours
void AttackIllegal();
void AttackEndless();
void AttackEndlessFlood();
void AttackAllocations();
void AttackModules();
void AttackLaunches();
void AttackBulk();
void AttackDeaf();
// random_operations.cc: anything, against a model
void RandomOperations();
// several.cc: one program with two servers
void SeveralServers();
void OneServerEnds();
void CountDevices();
// timings.cc: how long it takes
void Timings();
// environment.cc: what CUDA's own variables change
void TellDevices();
void BlockingLaunches();
void BlockingGraphs();
void CodeChoices();
void LibraryData();
void LogFile();
void CoredumpWords();
void GraphFlags();
// processes.cc: how programs start and end
void Initialise();
void ForkedChild();
void LeaveWithoutCleanup();
void LeaveWhileWaiting();
void LeaveFromAHandler();
void StaticObject();
void CloseLibrary();
void SpinForever();
void LoseServer();
void OutliveParent();
// lives.cc: children, daemons, threads that end, a library that is loaded again
void Work();
void ExecItself();
void Children();
void ForkBeforeInit();
void Greedy();
void GreedyChild();
void Daemon();
void DyingThreads();
void ExitHandlers();
void ReopenLibrary();

}  // namespace farlane::cases
