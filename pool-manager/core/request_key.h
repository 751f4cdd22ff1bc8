// SPDX-License-Identifier: Apache-2.0
// The key under which a session is asked for, so that who has not heard the answer can ask again
// and gets the same one. Key and digest stand in the session; AdmissionDesk knows the way back to
// it.
#pragma once

#include <string>

#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Whether a key is 1 to 255 printable characters.
bool IsRequestKey(const std::string& key);

// Of what is asked for, and for whom; 64 hexadecimal digits. How long somebody waits, and what he
// has measured, makes no other request of it.
std::string DigestOf(const v1::CreateSessionRequest& request);

// Under which key the session was asked for, and what.
void NoteRequest(const v1::CreateSessionRequest& request, v1::Session* session);

// Whether the session was asked for by this request.
bool IsSameRequest(const v1::Session& session, const v1::CreateSessionRequest& request);

}  // namespace farlane::pool
