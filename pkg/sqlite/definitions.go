package sqlite

import (
	"context"
	"encoding/json"

	"hermod/pkg/hermod"
)

const definitionColumns = `account, type, description, internal, example, schema, validation, created_at, updated_at`

func scanDefinition(row scanner, d *hermod.Definition) error {
	var example, schema string
	err := row.Scan(&d.Account, &d.Type, scanText(&d.Description), &d.Internal, scanText(&example), scanText(&schema),
		(*textColumn)(&d.Validation), scanTime(&d.CreatedAt), scanTime(&d.UpdatedAt))
	d.Example, d.Schema = rawJSON(example), rawJSON(schema)
	return err
}

// rawJSON is the JSON of a column, nil for the empty one.
func rawJSON(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// Definitions reads all that the account has registered, sorted by type.
func (db *DB) Definitions(ctx context.Context, account string) (all []hermod.Definition, err error) {
	err = db.view(ctx, func(r reader) error {
		return r.each(func(row scanner) error {
			var d hermod.Definition
			err := scanDefinition(row, &d)
			all = append(all, d)
			return err
		}, `SELECT `+definitionColumns+` FROM definitions WHERE account = ? ORDER BY type`, account)
	})
	return all, err
}

// Definition reads one registration. It fails with CodeNotFound.
func (db *DB) Definition(ctx context.Context, account, event string) (*hermod.Definition, error) {
	var found *hermod.Definition
	err := db.view(ctx, func(r reader) (err error) {
		found, err = definitionIn(r, account, event)
		return err
	})
	if err == nil && found == nil {
		err = errNoDefinition(event)
	}
	return found, err
}

// definitionIn reads one registration, nil for none.
func definitionIn(r reader, account, event string) (found *hermod.Definition, err error) {
	err = r.each(func(row scanner) error {
		found = &hermod.Definition{}
		return scanDefinition(row, found)
	}, `SELECT `+definitionColumns+` FROM definitions WHERE account = ? AND type = ?`, account, event)
	return found, err
}

func errNoDefinition(event string) error {
	return hermod.Errorf(hermod.CodeNotFound, "the account has not registered the type %s", event)
}

// PutDefinition writes or replaces what the account says of a type, and bumps the
// account's version. It fails with CodeConflict where the account would have more
// than hermod.MaxDefinitions, or more than hermod.MaxDefinitionBytes of them, and
// with CodeNotFound where there is no such account.
func (db *DB) PutDefinition(ctx context.Context, d *hermod.Definition) error {
	return db.update(ctx, func(t *tx) error {
		found, err := t.one([]any{new(int)}, `SELECT 1 FROM owners WHERE id = ?`, d.Account)
		if err != nil {
			return err
		}
		if !found {
			return hermod.Errorf(hermod.CodeNotFound, "no owner %s", d.Account)
		}
		if err := checkDefinitions(t, d); err != nil {
			return err
		}
		was, err := definitionIn(t, d.Account, d.Type)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT OR REPLACE INTO definitions (`+definitionColumns+`) VALUES (?,?,?,?,?,?,?,?,?)`,
			d.Account, d.Type, textValue(d.Description), d.Internal, textValue(string(d.Example)), textValue(string(d.Schema)),
			textValue(d.Validation), timeValue(d.CreatedAt), timeValue(d.UpdatedAt))
		if err != nil {
			return err
		}
		if err := db.bumpOwner(t, d.Account); err != nil {
			return err
		}
		return db.audit(ctx, t, d.ChangeOf(was))
	})
}

// checkDefinitions refuses d where the account's others leave no room for it.
func checkDefinitions(t *tx, d *hermod.Definition) error {
	var others, size int
	_, err := t.one([]any{&others, &size}, `SELECT count(*), coalesce(sum(
			octet_length(type) + coalesce(octet_length(description), 0) +
			coalesce(octet_length(example), 0) + coalesce(octet_length(schema), 0)), 0)
		FROM definitions WHERE account = ? AND type <> ?`, d.Account, d.Type)
	if err != nil {
		return err
	}
	return hermod.CheckDefinitions(others+1, size+d.Size())
}

// DeleteDefinition removes a registration and bumps the account's version. It
// fails with CodeNotFound.
func (db *DB) DeleteDefinition(ctx context.Context, account, event string) error {
	return db.update(ctx, func(t *tx) error {
		n, err := t.exec(`DELETE FROM definitions WHERE account = ? AND type = ?`, account, event)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoDefinition(event)
		}
		if err := db.bumpOwner(t, account); err != nil {
			return err
		}
		return db.audit(ctx, t, hermod.Change{Owner: account, Action: hermod.DefinitionDeleted, Target: event})
	})
}
