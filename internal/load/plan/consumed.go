package plan

import (
	"context"
	"fmt"

	"github.com/dbctl/dbctl/internal/databend"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/state/ledger"
)

// Consumed is the reason of the ledger's rows about files whose rows went on: what stands behind their load's COPY left the table empty,
// in the transaction that loaded them.
const Consumed = "what stands behind the COPY left the table empty"

// leftEmpty asks which of the empty tables were so behind their last load: nothing is gone from those.
func (l *Planner) leftEmpty(ctx context.Context, plans []*Plan) error {
	var ids []string
	for _, p := range plans {
		if at := p.scope.place; p.TableRows == 0 && at.fuse && !at.unwritten && at.ledgerRows > 0 {
			ids = append(ids, p.TableID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	id := sqltext.Ident
	res, err := l.Store.Conn().Query(ctx, databend.Statement{SQL: fmt.Sprintf(
		"SELECT %[1]s FROM %[2]s WHERE %[3]s AND %[1]s IN (%[4]s) AND %[5]s=%[6]s GROUP BY %[1]s HAVING arg_max(%[7]s, %[8]s)=%[9]s",
		id(ledger.ColTableID), l.Store.LedgerName(), l.Store.LedgerScope(), names(ids), id(ledger.ColState), sqltext.Quote(ledger.FileLoaded),
		id(ledger.ColReason), id(ledger.ColAt), sqltext.Quote(Consumed),
	)})
	for _, r := range res.Rows {
		for _, p := range plans {
			p.leftEmpty = p.leftEmpty || p.TableID == r[0].String
		}
	}
	return err
}
