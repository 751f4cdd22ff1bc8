// SPDX-License-Identifier: Apache-2.0
// Attendant is a thread that listens to the server while the program is busy with other things:
// otherwise nobody would read, and memory that the program does not use could not be asked back for
// others, nor a server be noticed that says nothing any more. It sleeps until something comes, and
// stays away while the program itself reads.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "protocol/base/fd.h"
#include "protocol/channel/command_channel.h"

namespace farlane::shim {

// Thread: any; Start and Stop one at a time.
class Attendant {
 public:
  // `work` is called on the attendant's thread after Wake, with nothing held. True: it waits for
  // the server to say something, and for nothing else.
  Attendant(channel::CommandChannel& channel, std::function<bool()> work);

  // Without a thread, where the program has used up its share of them, the rest works all the same.
  void Start();
  // Waits until the thread is gone, for no longer than until then. It must not outlive the library.
  void Stop(uint64_t deadline);
  // In a forked child, where the thread does not exist.
  void AbandonAfterFork();

  void Wake();

 private:
  void Loop();
  bool Sleep(bool look);

  channel::CommandChannel& channel_;
  const std::function<bool()> work_;
  Fd event_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace farlane::shim
