-- The version that an account had at a time, found by halving over the entries' key: created_at never goes back within an account, so no
-- index on time is needed, and a journal of a million entries answers after twenty looks. 0: the account had not moved yet.
create function wallet.version_at(p_account_id bigint, p_newest bigint, p_at timestamptz) returns bigint
language plpgsql stable as $$
declare
    v_low bigint := 0;           -- created at or before p_at, or the beginning
    v_high bigint := p_newest;   -- the answer is not above it
    v_middle bigint;
begin
    while v_low < v_high loop
        v_middle := (v_low + v_high + 1) / 2;
        if (select created_at <= p_at from wallet.entries where account_id = p_account_id and version = v_middle) then
            v_low := v_middle;
        else
            v_high := v_middle - 1;
        end if;
    end loop;
    return v_low;
end
$$;

revoke execute on function wallet.version_at from public;
grant execute on function wallet.version_at to purser_wallet;
