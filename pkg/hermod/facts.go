package hermod

// A Fact is something that can happen, and the types by which the dialects tell of it.
type Fact struct {
	Name        string
	Description string
	// Forms are the types that tell of the fact, one a sender, the native ones first.
	Forms []Form
}

// A Form is how the events of one type tell of a fact.
type Form struct {
	// Type is sender:name.
	Type string
	// When says which events of the type tell of the fact; all of them where it is
	// empty.
	When []Condition
	// Constants are members that have one value in all of these events.
	Constants []Constant
	Members   []Member
}

// A Condition is the value that a member of the data must have.
type Condition struct {
	Path, Value string
	// OrAbsent takes an event without the member too.
	OrAbsent bool
}

// A Constant is a member of the data and its value.
type Constant struct{ Path, Value string }

// A Member is where the data of a type has something that other types of the same fact
// have as well.
type Member struct {
	// Name is the same in every form of the fact.
	Name string
	// Path is what the type calls it: the name of a member of the data.
	Path string
	Kind ValueKind
	// Required members are those that the type's schema in the catalog asks for.
	Required bool
}

// A ValueKind is what the value of a member looks like.
type ValueKind string

// The kinds of values. All are JSON strings.
const (
	KindText   ValueKind = "text"        // not empty
	KindUUID   ValueKind = "uuid"        // RFC 9562, section 4: 8-4-4-4-12 hex digits
	KindMoment ValueKind = "date-time"   // RFC 3339
	KindTx     ValueKind = "transaction" // the id of a transaction of Universign: tx_ and more
)

// What the members of facts are called, whatever the dialect calls them.
const (
	// memberRequest is what shall be signed: an order, a transaction, a signature
	// request, a document of Signly.
	memberRequest = "requestId"
	// memberParticipant is who takes part: a recipient, a signer, a signatory.
	memberParticipant = "participantId"
	// memberProcess is the participant's own part: a session, a process, an action.
	memberProcess  = "processId"
	memberDocument = "documentId"
	memberCheck    = "checkId"
	memberCreator  = "creatorId"
	memberDept     = "departmentId"
	memberProvider = "provider"
	memberTitle    = "title"
	memberDeadline = "deadline"
	memberReason   = "reason"
	// memberAt is when it happened. An event whose data does not say so tells it by its
	// timestamp.
	memberAt = "at"
)

func needs(name, path string, kind ValueKind) Member { return Member{name, path, kind, true} }
func may(name, path string, kind ValueKind) Member   { return Member{name, path, kind, false} }

// facts is the table: types that mean the same by what the catalog says of them. A
// type stands in one fact at most, so that an event has one form in each sender's
// words. What was left out, and why, is in docs/decisions.md.
func facts() []Fact {
	return []Fact{
		{"request.opened", "Something was handed over to be signed, and its participants can be asked to act.", []Form{
			{Type: "signature-api:order.created", Members: []Member{
				needs(memberRequest, "orderId", KindText), may(memberTitle, "title", KindText),
				may(memberDeadline, "deadline", KindMoment), may(memberAt, "createdAt", KindMoment),
			}},
			{Type: "universign:transaction.lifecycle.started", Constants: transaction("started"), Members: []Member{
				needs(memberRequest, "id", KindTx), may(memberTitle, "name", KindText), may(memberAt, "started_at", KindMoment),
			}},
			{Type: "signly:PROCESS_CREATED", Constants: status("CREATED"), Members: append(process(),
				may(memberDeadline, "expiresAt", KindMoment), may(memberAt, "createdAt", KindMoment),
			)},
		}},
		{"request.completed", "Everything that had to be signed is signed, and the result can be fetched.", []Form{
			{Type: "signature-api:order.completed", Members: []Member{
				needs(memberRequest, "orderId", KindText), may(memberAt, "completedAt", KindMoment),
			}},
			{Type: "universign:transaction.lifecycle.completed", Constants: transaction("completed"), Members: []Member{
				needs(memberRequest, "id", KindTx), may(memberAt, "completed_at", KindMoment),
			}},
			{Type: "telia-sign:signaturerequestcompleted", Members: signatureRequest()},
			{Type: "signly:PROCESS_COMPLETED", Constants: status("COMPLETED"), Members: append(process(),
				needs(memberAt, "completedAt", KindMoment),
			)},
		}},
		{"request.cancelled", "The signing was called off, so nobody can sign any more.", []Form{
			{Type: "signature-api:order.canceled", Members: []Member{
				needs(memberRequest, "orderId", KindText), may(memberAt, "canceledAt", KindMoment),
			}},
			{Type: "universign:transaction.lifecycle.cancelled", Constants: transaction("cancelled"), Members: []Member{
				needs(memberRequest, "id", KindTx), may(memberAt, "cancelled_at", KindMoment),
			}},
			{Type: "signly:PROCESS_CANCELLED", Constants: status("CANCELLED"), Members: append(process(),
				may(memberAt, "cancelledAt", KindMoment),
			)},
		}},
		{"request.expired", "The time to sign was up with signatures missing.", []Form{
			{Type: "signature-api:order.expired", Members: []Member{
				needs(memberRequest, "orderId", KindText), needs(memberAt, "deadline", KindMoment),
			}},
			{Type: "universign:transaction.lifecycle.expired", Constants: transaction("expired"), Members: []Member{
				needs(memberRequest, "id", KindTx), may(memberAt, "expired_at", KindMoment),
			}},
			{Type: "telia-sign:signaturerequestexpired", Members: signatureRequest()},
			{Type: "signly:PROCESS_EXPIRED", Constants: status("EXPIRED"), Members: append(process(),
				needs(memberAt, "expiredAt", KindMoment),
			)},
		}},
		{"process.started", "A participant opened the signing.", []Form{
			{Type: "signature-api:session.started", Members: []Member{
				needs(memberRequest, "orderId", KindText), needs(memberParticipant, "recipientId", KindText),
				needs(memberProcess, "sessionId", KindText), may(memberAt, "startedAt", KindMoment),
			}},
			{Type: "signature:signing-session.started", Members: []Member{
				needs(memberProcess, "signingSessionId", KindText), needs(memberParticipant, "signerId", KindText),
				needs(memberAt, "startedAt", KindMoment),
			}},
			{Type: "signly:PROCESS_STARTED", Constants: status("STARTED"), Members: append(process(),
				may(memberAt, "startedAt", KindMoment),
			)},
		}},
		{"document.viewed", "A participant was shown a document that shall be signed.", []Form{
			{Type: "signature-api:session.document.presented", Members: []Member{
				needs(memberRequest, "orderId", KindText), needs(memberParticipant, "recipientId", KindText),
				may(memberProcess, "sessionId", KindText), needs(memberDocument, "documentId", KindText),
				may(memberAt, "presentedAt", KindMoment),
			}},
			{Type: "signature:signing-session.document.presented", Members: []Member{
				needs(memberProcess, "signingSessionId", KindText), needs(memberDocument, "documentId", KindText),
				may(memberParticipant, "signerId", KindText), may(memberAt, "presentedAt", KindMoment),
			}},
			// What is signed in Signly is one document: it is the request, too.
			{Type: "signly:DOCUMENT_VIEWED", Members: append([]Member{needs(memberDocument, "documentId", KindUUID)},
				append(process(), may(memberAt, "viewedAt", KindMoment))...,
			)},
		}},
		{"participant.signed", "One participant has signed all that was asked of them.", []Form{
			{
				// A recipient is a signer as a rule; approvers and readers sign nothing.
				Type: "signature-api:recipient.completed", When: []Condition{{"role", "signer", true}},
				Constants: []Constant{{"role", "signer"}}, Members: []Member{
					needs(memberRequest, "orderId", KindText), needs(memberParticipant, "recipientId", KindText),
					may(memberAt, "completedAt", KindMoment),
				},
			},
			{
				// Visas and reviews are actions, too.
				Type: "universign:action.closed", When: []Condition{{"type", "signature", false}},
				Constants: []Constant{{"object", "action"}, {"type", "signature"}, {"state", "closed"}},
				Members:   append(action(), may(memberAt, "closed_at", KindMoment)),
			},
			{Type: "telia-sign:signatorysigned", Members: append([]Member{needs(memberParticipant, "SignatoryId", KindUUID)}, signatureRequest()...)},
		}},
		{"participant.refused", "One participant declined to sign.", []Form{
			{Type: "signature:signing-session.rejected", Members: []Member{
				needs(memberProcess, "signingSessionId", KindText), needs(memberParticipant, "signerId", KindText),
				may(memberReason, "reason", KindText), needs(memberAt, "rejectedAt", KindMoment),
			}},
			{
				Type: "universign:action.stalled", When: []Condition{{"stall_reason", "signature_refusal", false}},
				Constants: []Constant{{"object", "action"}, {"type", "signature"}, {"state", "stalled"}, {"stall_reason", "signature_refusal"}},
				Members:   append(action(), may(memberAt, "stalled_at", KindMoment)),
			},
		}},
		{"identity.verified", "Somebody's identity was checked and found to be right.", []Form{
			{
				Type: "assure-api:process.complete", When: []Condition{{"status", "accepted", false}},
				Constants: []Constant{{"status", "accepted"}}, Members: []Member{
					needs(memberCheck, "processId", KindText), needs(memberProvider, "provider", KindText), may(memberAt, "completedAt", KindMoment),
				},
			},
			{
				Type: "universign:identity-validation.processed", When: []Condition{{"status", "valid", false}},
				Constants: []Constant{{"object", "identity-validation"}, {"status", "valid"}}, Members: []Member{
					needs(memberCheck, "id", KindText), may(memberAt, "processed_at", KindMoment),
				},
			},
		}},
	}
}

// transaction is what Universign's transactions in a state have in common.
func transaction(state string) []Constant {
	return []Constant{{"object", "transaction"}, {"state", state}}
}

// action is what Universign's actions have in common.
func action() []Member {
	return []Member{
		needs(memberProcess, "id", KindText), needs(memberRequest, "transaction_id", KindTx),
		may(memberParticipant, "participant_id", KindText),
	}
}

// signatureRequest is what Telia Sign's events have in common. Its TenantId is filled
// in when they are delivered.
func signatureRequest() []Member {
	return []Member{
		needs(memberRequest, "SignatureRequestId", KindUUID),
		may(memberDept, "DepartmentId", KindUUID), may(memberCreator, "CreatorId", KindUUID),
	}
}

func status(value string) []Constant { return []Constant{{"status", value}} }

// process is what Signly's events have in common.
func process() []Member {
	return []Member{
		needs(memberRequest, "documentId", KindUUID), needs(memberParticipant, "participantId", KindUUID),
		needs(memberProcess, "processId", KindUUID),
	}
}
