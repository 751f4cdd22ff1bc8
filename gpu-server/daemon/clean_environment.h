// SPDX-License-Identifier: Apache-2.0
// A daemon must not be its own client: what makes programs find our client library is taken out of
// its environment.
#pragma once

namespace farlane::server {

// Forgets the client's variables. If a search path had led this process to the client library, the
// program is started again without it; returns otherwise.
void CleanEnvironment(char** argv);

}  // namespace farlane::server
